"""Networks that others have trained: weights files with a JSON description beside them, in a folder of the user's."""

from .description import Description as Description
from .description import describe as describe
from .description import described as described
from .description import read_description as read_description
from .loading import build as build
from .loading import classes_of as classes_of
from .loading import filled as filled
from .loading import pretrained as pretrained

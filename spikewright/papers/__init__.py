"""The thirteen papers behind this project: what each says, what exists here, and how the figures compare."""

from .catalogue import load as load
from .records import EVIDENCE as EVIDENCE
from .records import Comparison as Comparison
from .records import Figure as Figure
from .records import Measured as Measured
from .records import Paper as Paper
from .records import compare as compare
from .search import COLUMNS as COLUMNS
from .search import as_rows as as_rows
from .search import nearest_authors as nearest_authors
from .search import search as search

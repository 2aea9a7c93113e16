"""Networks to convert or train, with the activation as a parameter."""

from .normalize import Normalize as Normalize
from .resnet import resnet18 as resnet18
from .resnet import resnet20 as resnet20
from .resnet import resnet34 as resnet34

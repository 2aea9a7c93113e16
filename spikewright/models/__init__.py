"""Networks to convert or train, with the activation as a parameter."""

from collections.abc import Callable

from torch import nn

from .mlp import mlp as mlp
from .normalize import Normalize as Normalize
from .resnet import resnet18 as resnet18
from .resnet import resnet20 as resnet20
from .resnet import resnet34 as resnet34
from .vgg import vgg11 as vgg11
from .vgg import vgg16 as vgg16

MODELS: dict[str, Callable[..., nn.Module]] = {
    builder.__name__: builder for builder in (mlp, resnet18, resnet20, resnet34, vgg11, vgg16)
}

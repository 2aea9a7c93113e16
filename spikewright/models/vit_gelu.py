"""vit_gelu: the small vision transformer with the activation that vision transformers are published with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .resnet import CIFAR_MEAN, CIFAR_STD, Activation
from .vit import ViT, vit


def vit_gelu(
    classes: int = 10,
    activation: Activation = nn.GELU,
    *,
    mean: Sequence[float] = CIFAR_MEAN,
    std: Sequence[float] = CIFAR_STD,
) -> ViT:
    """The same small vision transformer with the published activation, for 32x32 images.

    Source: Dosovitskiy et al. 2021, ICLR 2021, section 3.1.
    """
    return vit(classes, activation, mean=mean, std=std)

"""Which model of this package a description without a graph means, and how the file calls its weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from ..resnet import resnet20, resnet56, zero_padded
from ..vgg import max_pool, vgg16_slim
from ..vit import vit


@dataclass(frozen=True)
class Architecture:
    """A model and the names in its file.

    Args:
        build: makes it, given mean and std.
        rename: name in the file -> name in the model.
    """

    build: Callable[..., nn.Module]
    rename: Callable[[str], str] = str


def renamed(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """Replace regular expressions in a name, one after another.

    Example:
        >>> renamed((r"^bn1", "stem.1"), ("w$", "weight"))("bn1.w")
        'stem.1.weight'
    """

    def rename(name: str) -> str:
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        return name

    return rename


def staged(per_stage: int) -> Callable[[str], str]:
    """Names of a ResNet whose stages are counted apart: `layer2.0.bn1` is `blocks.3.first.1` with three per stage.

    Example:
        >>> staged(3)("layer2.0.bn1.bias"), staged(3)("conv1.weight")
        ('blocks.3.first.1.bias', 'stem.0.weight')
    """
    within = renamed(
        *((rf"\.conv{place}\.", f".{name}.0.") for place, name in ((1, "first"), (2, "second"))),
        *((rf"\.bn{place}\.", f".{name}.1.") for place, name in ((1, "first"), (2, "second"))),
        *(("^conv1", "stem.0"), ("^bn1", "stem.1"), ("^linear", "classifier")),
    )

    def block(found: re.Match[str]) -> str:
        return f"blocks.{(int(found[1]) - 1) * per_stage + int(found[2])}."

    return lambda name: within(re.sub(r"^layer(\d+)\.(\d+)\.", block, name))


_VIT = renamed(
    (r"^block(\d+)", r"blocks.\1"),
    (r"\.ln(\d)", r".norm\1"),
    (r"\.(qkv|proj)\.", r".attention.\1."),
    (r"^ln\.", "norm."),
    ("^cls_token", "class_token"),
    ("^pos_embedding", "position"),
)

ARCHITECTURES = {
    "cifar10_resnet20": Architecture(partial(resnet20, shortcut=zero_padded), staged(3)),
    "cifar10_resnet56": Architecture(partial(resnet56, shortcut=zero_padded), staged(9)),
    "cifar10_vgg16_bn": Architecture(partial(vgg16_slim, pool=max_pool)),
    "mnist_vit": Architecture(partial(vit, size=28), _VIT),
}
"""Name of the description -> architecture."""

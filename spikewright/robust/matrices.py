"""Weights as matrices: which layers of a network are linear maps, and each as one matrix per group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..core.arguments import check_module
from ..core.errors import ArgumentError, sentence

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def linear_maps(model: nn.Module, who: str) -> list[tuple[str, Any]]:
    """Name and layer of every convolution and linear layer; a weight that several layers share comes once.

    Raises:
        ArgumentError: if there is none, or a weight is made of another one by a rule, as in pruning.
    """
    check_module(model, f"{who}.model")
    found = list(_found(model))
    for name, layer in found:
        if parametrize.is_parametrized(layer, "weight"):
            met, allowed = f"{name!r}, whose weight is made of another one", "weights that can be changed"
            raise ArgumentError(sentence(f"{who}.model", met, allowed, "Train it without pruning"))
    if not found:
        raise ArgumentError(sentence(f"{who}.model", "no convolution or linear layer", "at least one"))
    return found


def _found(model: nn.Module) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, layer in model.named_modules():
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear)) and id(layer.weight) not in seen:
            seen.add(id(layer.weight))
            yield name, layer


def matrices(weight: Tensor, groups: int = 1) -> Tensor:
    """A linear layer's weight or a convolution's kernels -> [groups, rows, columns], one row per output channel.

    Groups of a convolution never meet, so that each is a matrix of its own.

    Example:
        >>> import torch
        >>> matrices(torch.zeros(6, 2, 3, 3), groups=2).shape
        torch.Size([2, 3, 18])
    """
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def groups_of(layer: nn.Module) -> int:
    """Number of groups of a convolution; 1 for a linear layer."""
    return getattr(layer, "groups", 1)

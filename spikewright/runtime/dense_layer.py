"""DenseLayer: a convolution or linear layer on all time steps in one batch, channels last, in fewer bits if asked."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from .wire import Wire

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass
class DenseLayer:
    """A layer with weights.

    Args:
        node: the node whose wire it makes.
        name: where it stands.
        source: the node whose wire it reads.
        layer: the layer, see `narrowed`.
        weights: dtype of its weights and of what it is given.
        out: dtype of what it hands on.
    """

    node: fx.Node
    name: str
    source: fx.Node
    layer: nn.Module
    weights: torch.dtype
    out: torch.dtype

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes whose wires it reads."""
        return [self.source]

    def run(self, wires: Mapping[fx.Node, Any]) -> Wire:
        """Read the wire of the input and make that of the output."""
        wire = wires[self.source]
        xs: Tensor = wire.dense()
        x = xs.flatten(0, 1).to(self.weights)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        out = self.layer(x).to(self.out)
        return Wire(wire.timesteps, tuple(out.shape[1:]), tensor=out.unflatten(0, xs.shape[:2]))

    def multiplications(self, shape: tuple[int, ...]) -> int:
        """Products of one sample and step, whose output has this shape."""
        weight: Any = self.layer.weight
        if isinstance(self.layer, nn.Linear):
            return weight[0].numel() * int(torch.Size(shape).numel())
        return weight.numel() * int(torch.Size(shape[1:]).numel())


def narrowed(layer: nn.Module, weights: torch.dtype, biased: bool) -> nn.Module:
    """A copy of a layer with weights in another dtype, channels last, and without its bias unless `biased`.

    Example:
        >>> layer = narrowed(nn.Conv2d(3, 8, 3), torch.bfloat16, biased=False)
        >>> layer.weight.dtype, layer.weight.is_contiguous(memory_format=torch.channels_last), layer.bias
        (torch.bfloat16, True, None)
    """
    twin: Any = copy.deepcopy(layer).requires_grad_(False)
    if not biased:
        twin.bias = None
    twin = twin.to(weights)
    return twin.to(memory_format=torch.channels_last) if type(layer) is nn.Conv2d else twin

"""Source: one way in which a wire drives a layer: a convolution, a linear layer, or straight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from .events import MOST_CHANNELS, Events
from .synapses import Geometry, Synapse, joining
from .wire import Wire, image_of

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


@dataclass
class Source:
    """What one wire contributes to a layer's currents.

    Args:
        node: the node whose wire it reads.
        name: path of the layer whose weights it holds; empty for a wire that drives the layer straight.
        weight: [C', C / groups, kernel height, kernel width].
        bias: [C'], or None.
        geometry: the convolution's sizes.
        apply: the same in torch's operations, [N, *F] -> [N, *F'].
        density_limit: the density up to which events are faster, 0..1; above it `apply` is used.
        stored: the numbers in which the weights of events are kept.
    """

    node: fx.Node
    name: str
    weight: np.ndarray
    bias: np.ndarray | None
    geometry: Geometry
    apply: Callable[..., Tensor]
    density_limit: float = 1.0
    stored: np.dtype = field(default=np.dtype(np.float32), repr=False)
    _synapses: dict[tuple[int, int, bytes], Synapse] = field(default_factory=dict, repr=False)

    def synapse(self, events: Events, width: int, joined: int = 1) -> Synapse:
        """The weights packed for events of such amplitudes.

        Args:
            events: what reaches them.
            width: sums held in registers.
            joined: neighbouring output pixels that are done as one.
        """
        key = width, joined, events.amplitude.tobytes()
        if key not in self._synapses:
            self._synapses[key] = self._packed(events.amplitude, width, joined)
        return self._synapses[key]

    def _packed(self, amplitude: np.ndarray, width: int, joined: int) -> Synapse:
        if not self.name:
            return Synapse(None, Geometry((1, joined), stride=(1, joined)), amplitude, width)
        if joined == 1:
            return Synapse(self.weight, self.geometry, amplitude, width, self.stored)
        return Synapse(*joining(self.weight, self.geometry, joined), amplitude, width, self.stored)

    def can_join(self, pixels: int) -> bool:
        """Whether neighbouring output pixels can be done as one without too many zeros among the weights."""
        geometry, kernel = self.geometry, self.geometry.kernel[1]
        if not self.name:
            return True
        if geometry.groups > 1 or geometry.dilation[1] > 1:
            return False
        return 2 * kernel >= kernel + (pixels - 1) * geometry.stride[1]

    def dense(self, wire: Wire) -> Tensor:
        """Its currents in torch's operations, [T or 1, N, *F']."""
        xs = wire.dense()
        out = self.apply(xs.flatten(0, 1))
        return out.view(*xs.shape[:2], *out.shape[1:])

    def multiplications(self, pixels: int) -> int:
        """Products that a dense layer computes for one sample and step."""
        return self.weight.size * pixels if self.name else 0


def straight(node: fx.Node, channels: int) -> Source:
    """A wire added to a layer's currents as it is."""
    ones = np.ones((channels, 1, 1, 1), np.float32)
    return Source(node, "", ones, None, Geometry((1, 1), groups=channels), lambda x: x)


def through(layer: nn.Module, name: str, node: fx.Node, shape: tuple[int, ...]) -> Source | None:
    """A wire through a convolution or linear layer; None for one that the compiled loop does not know.

    Args:
        layer: the layer.
        name: its path.
        node: the node whose wire it reads.
        shape: one sample's shape there; of a linear layer, that before it is flattened.
    """
    if type(layer) not in LAYERS or layer._forward_hooks or layer._forward_pre_hooks or shape[0] > MOST_CHANNELS:
        return None
    return (_linear if type(layer) is nn.Linear else _convolution)(layer, name, node, shape)


def _linear(layer: Any, name: str, node: fx.Node, shape: tuple[int, ...]) -> Source | None:
    if len(shape) > 3 or prod(shape) != layer.in_features:
        return None
    channels, height, width = image_of(shape)
    weight, bias = _arrays(layer)
    kernel = weight.reshape(len(weight), channels, height, width)
    geometry = Geometry((height, width))

    def apply(x: Tensor) -> Tensor:
        return F.linear(x.flatten(1), layer.weight, layer.bias)

    return Source(node, name, kernel, bias, geometry, apply)


def _convolution(layer: Any, name: str, node: fx.Node, shape: tuple[int, ...]) -> Source | None:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str) or len(shape) != layer.weight.dim() - 1:
        return None
    first: Any = (1,) if type(layer) is nn.Conv1d else ()  # an image of one row
    none: Any = (0,) * len(first)
    kernel, stride, dilation = (first + size for size in (layer.kernel_size, layer.stride, layer.dilation))
    geometry = Geometry(kernel, stride, none + layer.padding, dilation, layer.groups)
    weight, bias = _arrays(layer)
    return Source(node, name, weight.reshape(*weight.shape[:2], *kernel), bias, geometry, layer)


def _arrays(layer: Any) -> tuple[np.ndarray, np.ndarray | None]:
    return layer.weight.detach().numpy(), None if layer.bias is None else layer.bias.detach().numpy()

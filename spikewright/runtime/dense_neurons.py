"""DenseNeurons: bias, sum of two inputs and all time steps of plain neurons in one pass over the memory of a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from ..core.dynamics import Dynamics, Leaky, Signed
from ..core.neuron import Neuron
from ..core.reset import forward_of, none, subtract, to_zero
from .program import constant_rows
from .wire import Wire


class After(IntEnum):
    """What a spike does to the potential."""

    SUBTRACT = 0
    TO_ZERO = 1
    NONE = 2


_RESETS = {subtract: After.SUBTRACT, to_zero: After.TO_ZERO, none: After.NONE}


class Constants(NamedTuple):
    """Constants of neurons, each [P]: one for all, one per channel, or one per neuron in the order of memory."""

    v_threshold: Tensor
    start: Tensor
    decay: Tensor
    gain: Tensor
    mask: Tensor
    amplitude: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Equation:
    """What neurons compute.

    Args:
        after: what a spike does to the potential.
        signed: whether they fire -1 at minus the threshold too.
    """

    after: After
    signed: bool


def advance(xs: Sequence[Tensor], v: Tensor | None, constants: Constants, equation: Equation, out: Tensor) -> Tensor:
    """Run neurons over T steps.

        v' = decay * v + gain * (x_1 + ... + bias)      up = mask * [v' >= v_threshold]      down = [v' <= -v_threshold]
        s = up - down (signed) or up                    v'' = v' - s * v_threshold, v' * (1 - up), or v'

    Args:
        xs: one or two inputs, [T, M, P] or [1, M, P] for one that is the same at every step; M rows of P neurons, in
            the order of memory, with P that of the constants.
        v: potential before the first step, [M, P]; None for `start`.
        constants: constants of the neurons.
        equation: what they compute.
        out: amplitude times spikes are written here, [T, M, P].

    Returns:
        The potential after the last step, [M, P], in float32.

    Example:
        >>> one, zero, out = torch.ones(1), torch.zeros(1), torch.empty(3, 1, 1)
        >>> constants = Constants(one, zero, one, one, one, amplitude=2 * one, bias=zero + 0.25)
        >>> advance([torch.full((3, 1, 1), 0.25)], None, constants, Equation(After.SUBTRACT, False), out)
        tensor([[0.5000]])
        >>> out.flatten()
        tensor([0., 2., 0.])
    """
    c = constants
    v = (c.start.expand(out.shape[1:]) if v is None else v).clone()
    for t in range(len(out)):
        current = c.bias
        for x in xs:
            current = current + x[t if len(x) > 1 else 0].float()
        v = c.decay * v + c.gain * current
        s = c.mask * (v >= c.v_threshold)
        if equation.signed:
            s = s - (v <= -c.v_threshold).float()
        if equation.after is After.SUBTRACT:
            v = v - s * c.v_threshold
        elif equation.after is After.TO_ZERO:
            v = v * (1 - s)
        out[t] = s * c.amplitude
    return v


@dataclass
class DenseNeurons:
    """Plain neurons, and what is added to reach them.

    Args:
        node: the node whose wire it makes.
        name: where the neurons stand.
        inputs: the one or two nodes whose wires are added.
        shape: one sample's shape, (C,) or (C, H, W).
        neuron: the neurons as torch has them, which hold the state that is carried from call to call.
        constants: their constants.
        equation: what they compute.
        out: dtype of what is handed on.
    """

    node: fx.Node
    name: str
    inputs: list[fx.Node]
    shape: tuple[int, ...]
    neuron: Neuron
    constants: Constants
    equation: Equation
    out: torch.dtype = torch.float32

    def run(self, wires: Mapping[fx.Node, Any]) -> Wire:
        """Read the wires of the inputs and make that of the output."""
        given = [wires[node] for node in self.inputs]
        timesteps, period = given[0].timesteps, len(self.constants.bias)
        xs = [_rows(wire.dense(), period) for wire in given]
        samples = given[0].dense().shape[1]
        out = xs[0].new_empty(timesteps, *xs[0].shape[1:], dtype=self.out)
        carried = self._carried(samples, out.device)
        v = None if carried is None else _rows(carried.v[None].float(), period)[0]
        after = _advance_on(out.device)(xs, v, self.constants, self.equation, out)
        if carried is not None:
            self.neuron.end(type(carried)(_back(after[None], samples, self.shape)[0]))
        return Wire(timesteps, self.shape, tensor=_back(out, samples, self.shape))

    def _carried(self, samples: int, device: torch.device) -> Any:
        if self.neuron.carry is None:
            return None
        fresh = self.neuron.init_state(torch.empty(samples, *self.shape, device=device))
        return self.neuron.begin(lambda: fresh, fresh)


def dense_neurons(
    node: fx.Node,
    name: str,
    inputs: Sequence[fx.Node],
    shape: tuple[int, ...],
    neuron: Neuron,
    dynamics: Dynamics | None,
    bias: Tensor,
) -> DenseNeurons | None:
    """The operation for neurons of these dynamics; None where only torch can run them.

    Args:
        node, name, inputs, shape, neuron: see `DenseNeurons`.
        dynamics: what the neurons say that they compute.
        bias: what is added to their currents at every step, [C].
    """
    if len(shape) not in (1, 3) or not isinstance(dynamics, Leaky | Signed):
        return None
    if isinstance(dynamics, Leaky) and forward_of(dynamics.reset) not in _RESETS:
        return None
    one = torch.ones(())
    mask, decay, gain, after = one, one, one, After.SUBTRACT
    if isinstance(dynamics, Leaky):
        mask = one if dynamics.mask is None else dynamics.mask
        decay, gain, after = dynamics.decay, dynamics.gain, _RESETS[forward_of(dynamics.reset)]
    wide = bias.reshape(-1, *[1] * (len(shape) - 1))
    values = (dynamics.v_threshold, dynamics.start, decay, gain, mask, neuron.amplitude, wide)
    rows = constant_rows([value.detach().cpu() for value in values], shape)
    if rows is None:
        return None
    flat = torch.from_numpy(rows).flatten(1).to(bias.device)
    equation = Equation(after, isinstance(dynamics, Signed))
    return DenseNeurons(node, name, list(inputs), shape, neuron, Constants(*flat.contiguous()), equation)


def _rows(xs: Tensor, period: int) -> Tensor:
    """[T, N, C] or [T, N, C, H, W] as [T, M, P] in the order of memory, channels last."""
    if xs.dim() == 5:
        xs = xs.permute(0, 1, 3, 4, 2)
    return xs.contiguous().view(len(xs), -1, period)


def _back(rows: Tensor, samples: int, shape: tuple[int, ...]) -> Tensor:
    """The inverse of `_rows`."""
    if len(shape) == 1:
        return rows.view(len(rows), samples, *shape)
    channels, height, width = shape
    return rows.view(len(rows), samples, height, width, channels).permute(0, 1, 4, 2, 3)


def _advance_on(device: torch.device) -> Any:
    """`advance`, on a CUDA device as one kernel where Triton is there."""
    if device.type != "cuda" or not has_kernel():
        return advance
    from .device_kernel import advance as kernel

    return kernel


@cache
def has_kernel() -> bool:
    """Whether Triton, in which the kernel is written and which comes with torch for GPUs, is there."""
    return find_spec("triton") is not None

"""recurrent_mlp: spiking layers whose neurons also hear each other's spikes of the step before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import repeat

import torch
from torch import Tensor, nn

from ..core.arguments import named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.neuron import Neuron
from ..core.stateful import Stateful
from ..core.temporal import check_sequence
from ..core.types import State
from ..core.unroll import bptt
from ..neurons.lif import LIF


class RecurrentState(tuple):
    """State of a recurrent layer: the output of its neurons in the last step, then the parts of their own state."""

    def __new__(cls, *parts: Tensor) -> RecurrentState:
        return super().__new__(cls, parts)


def recurrent_step(
    out: Tensor, state: State, x: Tensor, *, neuron: Neuron, weight: Tensor
) -> tuple[Tensor, State, Tensor]:
    """Advance neurons by one step, with their output of the step before as a further input.

        s_t = spikes of the neurons at x_t + W out_{t-1}        out_t = amplitude * s_t

    Args:
        out: output of the step before, [N, F].
        state: the neurons' state.
        x: input of this step, [N, F].
        neuron: the neurons.
        weight: W, [F, F].

    Returns:
        Output of this step [N, F], the neurons' new state, and their unit spikes [N, F].

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
        Networks", IEEE TNNLS 33(7): recurrent spikes arrive one step later.

    Example:
        >>> layer, one = LIF(), torch.ones(1, 1)
        >>> out, state, s = recurrent_step(one, layer.init_state(one), 0 * one, neuron=layer, weight=one)
        >>> s
        tensor([[1.]])
    """
    state, s = neuron.step(state, x + nn.functional.linear(out, weight))
    return s * neuron.amplitude.to(x.dtype), state, s


class Recurrent(Stateful):
    """A layer of neurons with weights from each to each.

    Counts of operations (`spikewright.profile`) hold its spikes and updates, but not the additions by its own weights.

    Args:
        neuron: the neurons, whose constants must fit [N, F].
        features: F, number of neurons, at least 1.

    Raises:
        ArgumentError: neuron is no `Neuron`, or features below 1.
    """

    def __init__(self, neuron: Neuron, features: int) -> None:
        super().__init__()
        if not isinstance(neuron, Neuron):
            raise ArgumentError(sentence("Recurrent.neuron", named(neuron), "a neuron, e.g. LIF()"))
        if isinstance(features, bool) or not isinstance(features, int) or features < 1:
            raise ArgumentError(sentence("Recurrent.features", repr(features), "a whole number of at least 1"))
        self.neuron, self.levels = neuron, neuron.levels
        neuron.unroll = bptt  # one that runs all steps of the neurons at once would not hear their output
        self.weight = nn.Parameter(torch.empty(features, features))
        nn.init.uniform_(self.weight, -1 / math.sqrt(features), 1 / math.sqrt(features))
        self._kind = type(neuron.init_state(torch.zeros(1, features)))

    @property
    def amplitude(self) -> Tensor:
        """What one spike delivers, to the next layer and to the neurons of this one."""
        return self.neuron.amplitude

    def step(self, state: RecurrentState, x: Tensor) -> tuple[RecurrentState, Tensor]:
        """One time step: state and input [N, F] -> new state and unit spikes [N, F]."""
        out, *parts = state
        out, inner, s = recurrent_step(out, self._kind(*parts), x, neuron=self.neuron, weight=self.weight)
        return RecurrentState(out, *inner), s

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Input [T, N, F] -> amplitude times spikes, [T, N, F].

        Raises:
            ShapeError: if xs is no floating-point [T, N, F], or a carried state has another shape.
        """
        check_sequence(xs, "Recurrent")
        if xs.shape[2:] != (len(self.weight),):
            met = f"input of shape {list(xs.shape)}"
            raise ShapeError(sentence("Recurrent", met, f"[T, N, {len(self.weight)}]", "Flatten images before it"))
        fresh = RecurrentState(torch.zeros_like(xs[0]), *self.neuron.first_state(xs))
        state = self.begin(lambda: fresh, repeat(xs[0]))
        state, spikes = self.neuron.unroll(self, state, xs)  # pyright: ignore[reportArgumentType]
        self.end(state)
        return spikes * self.amplitude.to(xs.dtype)


def recurrent_mlp(
    classes: int,
    neuron: Callable[[], Neuron] = LIF,
    *,
    shape: Sequence[int],
    widths: Sequence[int] = (128,),
) -> nn.Sequential:
    """Linear layers, each but the last followed by neurons with weights from each to each, for `Spiking`.

    Args:
        classes: number of outputs.
        neuron: makes the neurons of one layer, called once per hidden layer.
        shape: shape of one input without time and batch, e.g. (1, 1, 700).
        widths: neurons of each hidden layer, at least one layer.

    Raises:
        ArgumentError: there is no hidden layer, or `neuron` makes no neurons.

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
        Networks", IEEE TNNLS 33(7), recurrent networks.
        Differs: no synaptic current unless `neuron` has one (`CubaLIF`); the logits are read from a linear layer.
    Example:
        >>> from spikewright import Spiking, mean
        >>> network = Spiking(recurrent_mlp(7, lambda: LIF(tau=10.0), shape=(1, 1, 12), widths=(32,)))
        >>> mean(network(torch.zeros(5, 2, 1, 1, 12))).shape
        torch.Size([2, 7])
    """
    if not len(widths):
        todo = "Without one nothing spikes; for a network without recurrent weights use mlp"
        raise ArgumentError(sentence("recurrent_mlp.widths", repr(tuple(widths)), "at least one hidden layer", todo))
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = math.prod(shape)
    for outputs in widths:
        layers += [nn.Linear(inputs, outputs), Recurrent(neuron(), outputs)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, classes))

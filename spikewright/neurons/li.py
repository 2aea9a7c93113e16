"""LI: leaky integrator, a read-out neuron that never fires and gives its membrane potential."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.neuron import Neuron
from ..core.reset import none
from .decay import decay as decay_of


class LIState(NamedTuple):
    """State of leaky integrators."""

    v: Tensor  # membrane potential, [N, *F]


def li_step(state: LIState, x: Tensor, *, decay: Tensor) -> tuple[LIState, Tensor]:
    """Advance leaky integrators by one time step; the output is the membrane potential after it.

        v' = decay * v + x

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F].
        decay: share of the potential kept per step, 0..1, exp(-1/tau); broadcastable to x.

    Returns:
        The new state, and its membrane potential, [N, *F].

    Source: Zenke and Vogels 2021, "The Remarkable Robustness of Surrogate Gradient Learning for Instilling
        Complex Function in Spiking Neural Networks", Neural Computation 33(4): the read-out units, which do
        not fire.
        Differs: no synaptic current of its own.

    Example:
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, out = li_step(LIState(one), one, decay=half)
        >>> out
        tensor([1.5000])
    """
    v = decay * state.v + x
    return LIState(v), v


class LI(Neuron):
    """Leaky integrator for the last layer; read its output with `last` or `max_membrane`.

    Args:
        tau: membrane time constant above 0, in time steps; number or tensor broadcastable to [N, *F]. Kept as
            decay = exp(-1/tau); `neurons/decay.py` says how NIR's and other libraries' constants map on it.
        amplitude: factor on the output, number or tensor broadcastable to [N, *F].
        learn: names of constants to train, "decay" and "amplitude".

    Example:
        >>> LI(tau=1 / torch.log(torch.tensor(2.0))).over_time(torch.ones(3, 1, 1)).flatten()
        tensor([1.0000, 1.5000, 1.7500])
    """

    levels = None
    follows_spike = False
    decay: Tensor
    learnable = ("amplitude", "decay")

    def __init__(
        self,
        *,
        tau: float | Tensor = 2.0,
        amplitude: float | Tensor = 1.0,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, reset=none, learn=learn)
        self.hold("decay", decay_of(tau, "LI.tau"))

    def init_state(self, x: Tensor) -> LIState:
        return LIState(torch.zeros_like(x))

    def step(self, state: LIState, x: Tensor) -> tuple[LIState, Tensor]:
        return li_step(state, x, decay=self.decay.to(x.dtype))

"""LIF: leaky integrate-and-fire neuron."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.dynamics import Leaky, fires_at_threshold
from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn
from .decay import decay as decay_of


class LIFState(NamedTuple):
    """State of leaky integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]


def lif_step(
    state: LIFState, x: Tensor, *, decay: Tensor, v_threshold: Tensor, spike: SpikeFn, reset: ResetFn
) -> tuple[LIFState, Tensor]:
    """Advance leaky integrate-and-fire neurons by one time step: charge, fire, reset.

        v' = decay * v + x        s = [v' >= v_threshold]        v'' = reset(v', s, v_threshold)

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        decay: share of the potential kept per step, 0..1, exp(-1/tau); broadcastable to x.
        v_threshold: threshold above 0, broadcastable to x.
        spike: spike function.
        reset: reset function.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Gerstner et al. 2014, "Neuronal Dynamics", Cambridge University Press, section 1.3; in discrete
        time Eshraghian et al. 2023, "Training Spiking Neural Networks Using Lessons From Deep Learning",
        Proceedings of the IEEE 111(9). Differs: there the reset takes effect one step later.

    Example:
        >>> from spikewright.core import ATan
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, s = lif_step(LIFState(one), one, decay=half, v_threshold=one, spike=ATan(), reset=subtract)
        >>> s, state.v
        (tensor([1.]), tensor([0.5000]))
    """
    v = decay * state.v + x
    s = spike(v - v_threshold)
    return LIFState(reset(v, s, v_threshold)), s


class LIF(Neuron):
    """Leaky integrate-and-fire neuron.

    Args:
        tau: membrane time constant above 0, in time steps; number or tensor broadcastable to [N, *F]. It is
            kept as decay = exp(-1/tau); `neurons/decay.py` says how NIR's and other libraries' constants map
            on it.
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        amplitude, spike, reset, learn: see `Neuron`; "decay", "v_threshold" and "amplitude" can be learnt. A
            learnt decay is not bounded; for a bounded one use PLIF.

    Example:
        >>> LIF(tau=2.0).over_time(torch.full((4, 1, 1), 0.5)).flatten()
        tensor([0., 0., 0., 1.])
    """

    decay: Tensor
    v_threshold: Tensor
    learnable = ("amplitude", "decay", "v_threshold")

    def __init__(
        self,
        *,
        tau: float | Tensor = 2.0,
        v_threshold: float | Tensor = 1.0,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.hold("decay", decay_of(tau, "LIF.tau"))
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> LIFState:
        return LIFState(torch.zeros_like(x))

    def dynamics(self) -> Leaky | None:
        if not fires_at_threshold(self.spike):
            return None
        one = torch.ones_like(self.v_threshold)
        return Leaky(self.v_threshold, 0 * one, self.decay, one, self.reset)

    def step(self, state: LIFState, x: Tensor) -> tuple[LIFState, Tensor]:
        return lif_step(
            state,
            x,
            decay=self.decay.to(x.dtype),
            v_threshold=self.v_threshold.to(x.dtype),
            spike=self.spike,
            reset=self.reset,
        )

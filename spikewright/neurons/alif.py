"""ALIF: leaky integrate-and-fire neuron whose threshold rises with its own spikes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn
from .decay import decay as decay_of


class ALIFState(NamedTuple):
    """State of adaptive leaky integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]
    b: Tensor  # trace of the neuron's own firing rate, 0..1, [N, *F]


def alif_step(
    state: ALIFState,
    x: Tensor,
    *,
    decay: Tensor,
    decay_adapt: Tensor,
    strength: Tensor,
    v_threshold: Tensor,
    spike: SpikeFn,
    reset: ResetFn,
) -> tuple[ALIFState, Tensor]:
    """Advance adaptive leaky integrate-and-fire neurons by one time step: charge, fire, reset, adapt.

        v' = decay * v + x          B = v_threshold + strength * b        s = [v' >= B]
        v'' = reset(v', s, B)       b' = decay_adapt * b + (1 - decay_adapt) * s

    The threshold of a step is made of the spikes before it.

    Args:
        state: membrane potential and rate trace before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        decay: share of the potential kept per step, 0..1, exp(-1/tau).
        decay_adapt: share of the rate trace kept per step, 0..1, exp(-1/tau_adapt).
        strength: how far the threshold rises at one spike in every step, in the unit of the threshold.
        v_threshold: threshold of a neuron at rest, above 0.
        spike: spike function.
        reset: reset function; it sees the raised threshold.

    Returns:
        The state after the step, and the spikes, 0 or 1, [N, *F].

    Source: Bellec et al. 2018, "Long short-term memory and Learning-to-learn in networks of spiking neurons",
        NeurIPS 2018, arXiv 1803.09574, methods (there: rho = decay_adapt, beta = strength); order of
        threshold and trace as in their code, IGITUGraz/LSNN-official, `lsnn/spiking_models.py`.
        Differs: there the input is weighted with 1 - decay, firing is v > B, and the reset comes off in the
        next step, undecayed.

    Example:
        >>> from spikewright.core import ATan
        >>> zero, half, one = torch.tensor([0.0]), torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, s = alif_step(ALIFState(zero, half), 2 * one, decay=half, decay_adapt=half, strength=one,
        ...                      v_threshold=one, spike=ATan(), reset=subtract)
        >>> s, state.v, state.b
        (tensor([1.]), tensor([0.5000]), tensor([0.7500]))
    """
    v = decay * state.v + x
    threshold = v_threshold + strength * state.b
    s = spike(v - threshold)
    return ALIFState(reset(v, s, threshold), decay_adapt * state.b + (1 - decay_adapt) * s), s


class ALIF(Neuron):
    """Adaptive leaky integrate-and-fire neuron. NIR cannot say it: it has no adaptive threshold.

    Args:
        tau: membrane time constant above 0, in time steps, kept as decay = exp(-1/tau); see
            `neurons/decay.py` for other conventions.
        tau_adapt: time constant of the adaptation above 0, in time steps, kept as
            decay_adapt = exp(-1/tau_adapt).
        strength: rise of the threshold at one spike in every step, in the unit of the threshold; one spike
            lifts it by strength * (1 - decay_adapt).
        v_threshold: threshold of a neuron at rest, above 0.
        amplitude, spike, reset, learn: see `Neuron`; "decay", "decay_adapt", "strength", "v_threshold" and
            "amplitude" can be learnt.

    All constants are numbers or tensors broadcastable to [N, *F].

    Example:
        >>> ALIF(tau_adapt=2.0, strength=1.8).over_time(torch.full((6, 1, 1), 1.0)).flatten()
        tensor([1., 0., 1., 0., 1., 0.])
    """

    decay: Tensor
    decay_adapt: Tensor
    strength: Tensor
    v_threshold: Tensor
    learnable = ("amplitude", "decay", "decay_adapt", "strength", "v_threshold")

    def __init__(
        self,
        *,
        tau: float | Tensor = 2.0,
        tau_adapt: float | Tensor = 20.0,
        strength: float | Tensor = 1.8,
        v_threshold: float | Tensor = 1.0,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.hold("decay", decay_of(tau, "ALIF.tau"))
        self.hold("decay_adapt", decay_of(tau_adapt, "ALIF.tau_adapt"))
        self.hold("strength", strength)
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> ALIFState:
        return ALIFState(torch.zeros_like(x), torch.zeros_like(x))

    def step(self, state: ALIFState, x: Tensor) -> tuple[ALIFState, Tensor]:
        return alif_step(
            state,
            x,
            decay=self.decay.to(x.dtype),
            decay_adapt=self.decay_adapt.to(x.dtype),
            strength=self.strength.to(x.dtype),
            v_threshold=self.v_threshold.to(x.dtype),
            spike=self.spike,
            reset=self.reset,
        )

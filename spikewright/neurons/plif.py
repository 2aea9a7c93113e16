"""PLIF: leaky integrate-and-fire neuron whose leak is learnt and stays between 0 and 1."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.dynamics import Leaky, fires_at_threshold
from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn
from .decay import decay as decay_of


class PLIFState(NamedTuple):
    """State of parametric leaky integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]


def plif_step(
    state: PLIFState, x: Tensor, *, decay: Tensor, v_threshold: Tensor, spike: SpikeFn, reset: ResetFn
) -> tuple[PLIFState, Tensor]:
    """Advance parametric leaky integrate-and-fire neurons by one time step: charge, fire, reset.

        v' = decay * v + (1 - decay) * x        s = [v' >= v_threshold]        v'' = reset(v', s, v_threshold)

    The input is weighted with 1 - decay, as published, so that a constant input x < v_threshold ends at v = x
    whatever decay is learnt.

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        decay: share of the potential kept per step, 0..1; broadcastable to x.
        v_threshold: threshold above 0, broadcastable to x.
        spike: spike function.
        reset: reset function.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Fang et al. 2021, "Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking
        Neural Networks", ICCV 2021, arXiv 2007.05785: H = V + k(a) (X - (V - V_reset)), k the sigmoid,
        V_reset = 0.
        Differs: their k(a) = 1/tau is an Euler step, so decay = 1 - k(a); their reset is `to_zero`.

    Example:
        >>> from spikewright.core import ATan
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, s = plif_step(PLIFState(half), 2 * one, decay=half, v_threshold=one,
        ...                      spike=ATan(), reset=subtract)
        >>> s, state.v
        (tensor([1.]), tensor([0.2500]))
    """
    v = decay * state.v + (1 - decay) * x
    s = spike(v - v_threshold)
    return PLIFState(reset(v, s, v_threshold)), s


class PLIF(Neuron):
    """Parametric leaky integrate-and-fire neuron, which always learns its leak.

    The parameter is `raw`, any real number; decay = sigmoid(raw). One per layer, unless tau is a tensor.

    Args:
        tau: membrane time constant at the start, above 0, in time steps; decay starts at exp(-1/tau). The
            start value tau_e of Fang et al. and of SpikingJelly (`init_tau`), an Euler step, is here
            tau = -1 / ln(1 - 1/tau_e), 1.4427 for 2.0. In NIR: tau_nir = -dt / ln(decay), r = 1.
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        amplitude, spike, reset, learn: see `Neuron`; "v_threshold" and "amplitude" can be learnt besides.

    Example:
        >>> neuron = PLIF(tau=2.0)
        >>> neuron.decay.item() == torch.tensor(-0.5).exp().item()
        True
        >>> neuron.over_time(torch.full((4, 1, 1), 1.5)).flatten().tolist()
        [0.0, 0.0, 1.0, 0.0]
    """

    raw: Tensor
    v_threshold: Tensor

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
        self.hold("v_threshold", v_threshold, above=0)
        decay_of(tau, "PLIF.tau")
        rate = 1 / torch.as_tensor(tau, dtype=torch.float64)
        # the inverse of the sigmoid at exp(-rate), in a form that neither overflows nor cancels
        raw = -(rate + torch.log(-torch.expm1(-rate)))
        self.raw = nn.Parameter(raw.to(tau.dtype if isinstance(tau, Tensor) else torch.get_default_dtype()))

    @property
    def decay(self) -> Tensor:
        """Share of the potential kept per step, 0..1, with its gradient."""
        return torch.sigmoid(self.raw)

    def init_state(self, x: Tensor) -> PLIFState:
        return PLIFState(torch.zeros_like(x))

    def dynamics(self) -> Leaky | None:
        if not fires_at_threshold(self.spike):
            return None
        return Leaky(self.v_threshold, 0 * self.v_threshold, self.decay, 1 - self.decay, self.reset)

    def step(self, state: PLIFState, x: Tensor) -> tuple[PLIFState, Tensor]:
        return plif_step(
            state,
            x,
            decay=self.decay.to(x.dtype),
            v_threshold=self.v_threshold.to(x.dtype),
            spike=self.spike,
            reset=self.reset,
        )

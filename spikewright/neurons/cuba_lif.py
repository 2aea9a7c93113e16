"""CubaLIF: current-based leaky integrate-and-fire neuron, whose input passes a leaky synapse first."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn
from .decay import decay as decay_of


class CubaLIFState(NamedTuple):
    """State of current-based leaky integrate-and-fire neurons."""

    i_syn: Tensor  # synaptic current, [N, *F]
    v: Tensor  # membrane potential, [N, *F]


def cuba_lif_step(
    state: CubaLIFState,
    x: Tensor,
    *,
    decay_syn: Tensor,
    decay_mem: Tensor,
    v_threshold: Tensor,
    spike: SpikeFn,
    reset: ResetFn,
) -> tuple[CubaLIFState, Tensor]:
    """Advance current-based leaky integrate-and-fire neurons by one time step: charge, fire, reset.

        i_syn' = decay_syn * i_syn + x        v' = decay_mem * v + i_syn'
        s = [v' >= v_threshold]               v'' = reset(v', s, v_threshold)

    Args:
        state: synaptic current and membrane potential before the step, [N, *F].
        x: input of this step, [N, *F]; it jumps onto the synaptic current, in the unit of the threshold.
        decay_syn: share of the current kept per step, 0..1, exp(-1/tau_syn).
        decay_mem: share of the potential kept per step, 0..1, exp(-1/tau_mem).
        v_threshold: threshold above 0.
        spike: spike function.
        reset: reset function; it leaves the current alone.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Neftci, Mostafa and Zenke 2019, "Surrogate Gradient Learning in Spiking Neural Networks", IEEE
        Signal Processing Magazine 36(6), arXiv 1901.09948, discrete-time equations of section II.
        Differs: there the potential takes the current of the step before; here, as in snnTorch's `Synaptic`,
            that of
        the same step, so a spike can pass a layer without delay.

    Example:
        >>> from spikewright.core import ATan
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> state, s = cuba_lif_step(CubaLIFState(one, half), half, decay_syn=half, decay_mem=half,
        ...                          v_threshold=one, spike=ATan(), reset=subtract)
        >>> s, state.i_syn, state.v
        (tensor([1.]), tensor([1.]), tensor([0.2500]))
    """
    i_syn = decay_syn * state.i_syn + x
    v = decay_mem * state.v + i_syn
    s = spike(v - v_threshold)
    return CubaLIFState(i_syn, reset(v, s, v_threshold)), s


class CubaLIF(Neuron):
    """Current-based leaky integrate-and-fire neuron.

    Args:
        tau_syn: synaptic time constant above 0, in time steps, kept as decay_syn = exp(-1/tau_syn).
        tau_mem: membrane time constant above 0, in time steps, kept as decay_mem = exp(-1/tau_mem).
        v_threshold: threshold above 0.
        amplitude, spike, reset, learn: see `Neuron`; "decay_syn", "decay_mem", "v_threshold" and "amplitude"
            can be learnt.

    All constants are numbers or tensors broadcastable to [N, *F]. In NIR, with an input that is constant
    during a step of length dt and a current that is held during it: tau_syn * dt, tau_mem * dt, v_leak = 0,
    w_in = 1 / (1 - decay_syn), r = 1 / (1 - decay_mem). For Euler-step libraries see `neurons/decay.py`,
    which applies to both constants.

    Example:
        >>> CubaLIF().over_time(torch.full((4, 1, 1), 0.25)).flatten()
        tensor([0., 0., 0., 1.])
    """

    decay_syn: Tensor
    decay_mem: Tensor
    v_threshold: Tensor
    learnable = ("amplitude", "decay_syn", "decay_mem", "v_threshold")

    def __init__(
        self,
        *,
        tau_syn: float | Tensor = 2.0,
        tau_mem: float | Tensor = 2.0,
        v_threshold: float | Tensor = 1.0,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.hold("decay_syn", decay_of(tau_syn, "CubaLIF.tau_syn"))
        self.hold("decay_mem", decay_of(tau_mem, "CubaLIF.tau_mem"))
        self.hold("v_threshold", v_threshold, above=0)

    def init_state(self, x: Tensor) -> CubaLIFState:
        return CubaLIFState(torch.zeros_like(x), torch.zeros_like(x))

    def step(self, state: CubaLIFState, x: Tensor) -> tuple[CubaLIFState, Tensor]:
        return cuba_lif_step(
            state,
            x,
            decay_syn=self.decay_syn.to(x.dtype),
            decay_mem=self.decay_mem.to(x.dtype),
            v_threshold=self.v_threshold.to(x.dtype),
            spike=self.spike,
            reset=self.reset,
        )

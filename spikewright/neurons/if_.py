"""IF: integrate-and-fire neuron without leak, with a start potential and an optional output mask."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.dynamics import Leaky, fires_at_threshold
from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.surrogate import Surrogate
from ..core.types import ResetFn, SpikeFn
from ..core.unroll import bptt


class IFState(NamedTuple):
    """State of integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]


def if_step(
    state: IFState,
    x: Tensor,
    *,
    v_threshold: Tensor,
    spike: SpikeFn,
    reset: ResetFn,
    mask: Tensor | None = None,
) -> tuple[IFState, Tensor]:
    """Advance integrate-and-fire neurons by one time step: charge, fire, reset.

        v' = v + x        s = mask * [v' >= v_threshold]        v'' = reset(v', s, v_threshold)

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        v_threshold: threshold above 0, broadcastable to x.
        spike: spike function.
        reset: reset function.
        mask: 1 where a neuron may fire, 0 where it is silenced; broadcastable to x.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Bu et al. 2022, "Optimized Potential Initialization for Low-Latency Spiking Neural Networks", AAAI
        2022, arXiv 2202.01440, charge, fire and soft reset with equality firing.

    Example:
        >>> from spikewright.core import ATan
        >>> one = torch.tensor([1.0])
        >>> state, s = if_step(IFState(one / 2), one / 2, v_threshold=one, spike=ATan(), reset=subtract)
        >>> s, state.v
        (tensor([1.]), tensor([0.]))
    """
    v = state.v + x
    s = spike(v - v_threshold)
    if mask is not None:
        s = s * mask
    return IFState(reset(v, s, v_threshold)), s


def integrate(v: Tensor, xs: Tensor, v_threshold: Tensor, spike: Surrogate, mask: Tensor | None = None) -> Tensor:
    """The steps of `if_step` with reset by subtraction, in place, without a gradient: equal bits, less memory traffic.

    Args:
        v: membrane potential, [N, *F]; holds the last one afterwards.
        xs: input, [T, N, *F].
        v_threshold, spike, mask: as in `if_step`.

    Returns:
        The spikes, [T, N, *F].
    """
    spikes = torch.empty_like(xs)
    for x, s in zip(xs, spikes):
        v += x
        spike.fires(v, v_threshold, out=s)
        if mask is not None:
            s *= mask
        v.addcmul_(s, v_threshold, value=-1)
    return spikes


def can_integrate(neuron: Neuron) -> bool:
    """Whether `integrate` may run a neuron's steps: no gradient is asked for, and the reset subtracts."""
    plain = neuron.reset is not subtract or torch.compiler.is_compiling() or torch.is_grad_enabled()
    return not plain and isinstance(neuron.spike, Surrogate)


def if_unroll(neuron: Any, state: IFState, xs: Tensor) -> tuple[IFState, Tensor]:
    """`bptt`, and where no gradient is asked for `integrate`.

    Args:
        neuron: a neuron with the state, `v_threshold` and `mask` of an `IF`.
        state: state before the first step.
        xs: input, [T, N, *F].
    """
    if not can_integrate(neuron):
        return bptt(neuron, state, xs)
    v = state.v.clone()
    mask = None if neuron.mask is None else neuron.mask.to(xs.dtype)
    spikes = integrate(v, xs, neuron.v_threshold.to(xs.dtype), neuron.spike, mask)
    return IFState(v), spikes


class IF(Neuron):
    """Integrate-and-fire neuron.

    In NIR, with an input that is constant during a step of length dt: r = 1 / dt. NIR resets to zero
    (`to_zero`); it knows neither a reset by subtraction, nor a start potential, nor a mask.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        start: membrane potential before the first step, in units of the threshold (0.5 is half of it); number
            or tensor broadcastable to [N, *F]; may lie outside 0..1.
        mask: 1 where a neuron may fire, 0 where it is silenced; tensor broadcastable to [N, *F], or None.
        amplitude, spike, reset, learn: see `Neuron`; "v_threshold", "start" and "amplitude" can be learnt.

    Example:
        >>> IF(v_threshold=2.0, start=0.5).over_time(torch.ones(2, 1, 1)).flatten()
        tensor([1., 0.])
    """

    mask: Tensor | None
    v_threshold: Tensor
    start: Tensor
    learnable = ("amplitude", "v_threshold", "start")

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        start: float | Tensor = 0.0,
        mask: Tensor | None = None,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.unroll = if_unroll
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)
        if mask is None:
            self.register_buffer("mask", None)
        else:
            self.hold("mask", mask)

    def init_state(self, x: Tensor) -> IFState:
        return IFState(torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype))

    def dynamics(self) -> Leaky | None:
        if not fires_at_threshold(self.spike):
            return None
        one = torch.ones_like(self.v_threshold)
        return Leaky(self.v_threshold, self.start * self.v_threshold, one, one, self.reset, self.mask)

    def step(self, state: IFState, x: Tensor) -> tuple[IFState, Tensor]:
        return if_step(
            state,
            x,
            v_threshold=self.v_threshold.to(x.dtype),
            spike=self.spike,
            reset=self.reset,
            mask=None if self.mask is None else self.mask.to(x.dtype),
        )

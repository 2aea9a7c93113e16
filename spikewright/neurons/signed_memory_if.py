"""SignedMemoryIF: integrate-and-fire neuron that takes spikes back, and whose net count passes through a leaky ReLU."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn


class SignedMemoryIFState(NamedTuple):
    """State of signed integrate-and-fire neurons with memory."""

    v: Tensor  # membrane potential, [N, *F]
    n: Tensor  # spikes fired up minus spikes fired down so far, [N, *F]


def signed_memory_if_step(
    state: SignedMemoryIFState, x: Tensor, *, v_threshold: Tensor, slope: Tensor, spike: SpikeFn, reset: ResetFn
) -> tuple[SignedMemoryIFState, Tensor]:
    """Advance signed integrate-and-fire neurons with memory by one time step: charge, fire, reset, deliver.

        v' = v + x        up = [v' >= v_threshold]        down = [v' < 0]        n' = n + up - down
        v'' = reset(reset(v', up, v_threshold), down, -v_threshold)
        s = f(n') - f(n),        f(n) = n for n >= 0,  slope * n for n < 0

    With subtraction the charge balances: v_threshold * n(T) = v(0) + x_1 + ... + x_T - v(T). Where v(T) lies in
    [0, v_threshold), n(T) is therefore the input's sum in thresholds plus the start, rounded down; from a start of 1/2
    that is the nearest whole number, on both sides of 0, ties up. v(T) lies there for every T if it starts there and
    no |x| exceeds the threshold; after larger inputs as soon as the neuron, one spike a step, has caught up. The mean
    output over T steps is then exactly f(n(T)) / T of an amplitude. From a start of 0 it is rounded down on both
    sides, and an input that wavers around 0 makes the neuron fire to and fro.

    Args:
        state: membrane potential and net count before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        v_threshold: threshold above 0, broadcastable to x.
        slope: what a net spike below 0 is worth, broadcastable to x; 0 is a ReLU that takes wrong spikes back.
        spike: spike function; where it fires at equality the lower border belongs to the resting range.
        reset: reset function, used for both signs.

    Returns:
        The new state, and the output s, one of -1, -slope, 0, slope, 1, [N, *F].

    Source: Wang et al. 2022, "Signed Neuron with Memory: Towards Simple, Accurate and High-Efficient ANN-SNN
        Conversion", IJCAI 2022.
        Differs: theirs is a ReLU, fires -1 at v <= -v_threshold, and only while its net count is above 0; here a
        leaky ReLU, whose count may fall below 0, and -1 is fired as soon as v < 0, which makes the rounding above.

    Example:
        >>> from spikewright.core import ATan
        >>> one, start = torch.tensor([1.0]), SignedMemoryIFState(torch.tensor([0.5]), torch.tensor([0.0]))
        >>> state, s = signed_memory_if_step(
        ...     start, -one, v_threshold=one, slope=one / 4, spike=ATan(), reset=subtract
        ... )
        >>> s, state.v, state.n
        (tensor([-0.2500]), tensor([0.5000]), tensor([-1.]))
    """
    v = state.v + x
    up, down = spike(v - v_threshold), 1 - spike(v)
    n = state.n + up - down
    s = _worth(n, slope) - _worth(state.n, slope)
    return SignedMemoryIFState(reset(reset(v, up, v_threshold), down, -v_threshold), n), s


def _worth(n: Tensor, slope: Tensor) -> Tensor:
    return torch.where(n >= 0, n, slope * n)


class SignedMemoryIF(Neuron):
    """Signed integrate-and-fire neuron with memory, for leaky and parametric ReLUs.

    NIR cannot say it: its neurons fire one kind of spike and remember none.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        start: membrane potential before the first step, in units of the threshold; number or tensor
            broadcastable to [N, *F]. 0.5 rounds to the nearest count.
        slope: what a net spike below 0 is worth, as the slope of `LeakyReLU` and `PReLU`: a number, or a tensor [C]
            with one for each channel (axis 1 of [N, C, ...]).
        amplitude, spike, reset, learn: see `Neuron`; "v_threshold", "start", "slope" and "amplitude" can be learnt.

    Example:
        >>> neuron = SignedMemoryIF(start=0.5, slope=0.25)
        >>> neuron.over_time(torch.tensor([1.0, -1.0, -1.0, 0.25]).view(4, 1, 1)).flatten()
        tensor([ 1.0000, -1.0000, -0.2500,  0.0000])
    """

    levels = (-1.0, -0.25, 0.0, 0.25, 1.0)
    graded = True
    per_channel = ("slope",)
    v_threshold: Tensor
    start: Tensor
    slope: Tensor
    learnable = ("amplitude", "v_threshold", "start", "slope")

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        start: float | Tensor = 0.0,
        slope: float | Tensor = 0.25,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)
        self.hold("slope", slope)
        below = self.slope.detach().flatten().tolist()
        self.levels = tuple(sorted({-1.0, 0.0, 1.0, *below, *(-value for value in below)}))

    def init_state(self, x: Tensor) -> SignedMemoryIFState:
        return SignedMemoryIFState(
            torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype), torch.zeros_like(x)
        )

    def step(self, state: SignedMemoryIFState, x: Tensor) -> tuple[SignedMemoryIFState, Tensor]:
        slope = self.slope.to(x.dtype)
        if slope.dim() == 1:
            slope = slope.view(-1, *[1] * (x.dim() - 2))
        v_threshold = self.v_threshold.to(x.dtype)
        return signed_memory_if_step(state, x, v_threshold=v_threshold, slope=slope, spike=self.spike, reset=self.reset)

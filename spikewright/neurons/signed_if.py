"""SignedIF: integrate-and-fire neuron that fires +1 at its threshold and -1 at minus its threshold."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.dynamics import Signed, fires_at_threshold
from ..core.neuron import Neuron
from ..core.reset import subtract
from ..core.types import ResetFn, SpikeFn


class SignedIFState(NamedTuple):
    """State of signed integrate-and-fire neurons."""

    v: Tensor  # membrane potential, [N, *F]


def signed_if_step(
    state: SignedIFState, x: Tensor, *, v_threshold: Tensor, spike: SpikeFn, reset: ResetFn
) -> tuple[SignedIFState, Tensor]:
    """Advance signed integrate-and-fire neurons by one time step: charge, fire, reset.

        v' = v + x        up = [v' >= v_threshold]        down = [v' <= -v_threshold]        s = up - down
        v'' = reset(reset(v', up, v_threshold), down, -v_threshold)

    Args:
        state: membrane potential before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        v_threshold: threshold above 0, broadcastable to x.
        spike: spike function, used for both signs.
        reset: reset function, used for both signs.

    Returns:
        The state after the reset, and the spikes, -1, 0 or 1, [N, *F].

    Source: Kim et al. 2020, "Spiking-YOLO: Spiking Neural Network for Energy-Efficient Object Detection",
        AAAI 2020, arXiv 1903.06530, signed neuron; here with the same threshold for both signs.
        Differs: not the signed neuron with memory of Wang et al. 2022, IJCAI 2022, which fires -1 only while
        the sum of its spikes so far is above 0; its mean output is a ReLU, this one's the identity clipped to
        -1..1.

    Example:
        >>> from spikewright.core import ATan
        >>> one, start = torch.tensor([1.0]), SignedIFState(torch.tensor([-1.0]))
        >>> state, s = signed_if_step(start, -one / 2, v_threshold=one, spike=ATan(), reset=subtract)
        >>> s, state.v
        (tensor([-1.]), tensor([-0.5000]))
    """
    v = state.v + x
    up, down = spike(v - v_threshold), spike(-v - v_threshold)
    return SignedIFState(reset(reset(v, up, v_threshold), down, -v_threshold)), up - down


class SignedIF(Neuron):
    """Signed integrate-and-fire neuron, for activations of both signs.

    NIR cannot say it: its neurons fire one kind of spike.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        start: membrane potential before the first step, in units of the threshold; number or tensor
            broadcastable to [N, *F].
        amplitude, spike, reset, learn: see `Neuron`; "v_threshold", "start" and "amplitude" can be learnt.

    Example:
        >>> SignedIF().over_time(torch.tensor([0.5, 0.5, -2.0]).view(3, 1, 1)).flatten()
        tensor([ 0.,  1., -1.])
    """

    levels = (-1.0, 0.0, 1.0)
    v_threshold: Tensor
    start: Tensor
    learnable = ("amplitude", "v_threshold", "start")

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        start: float | Tensor = 0.0,
        amplitude: float | Tensor = 1.0,
        spike: SpikeFn | None = None,
        reset: ResetFn = subtract,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, spike=spike, reset=reset, learn=learn)
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)

    def init_state(self, x: Tensor) -> SignedIFState:
        return SignedIFState(torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype))

    def dynamics(self) -> Signed | None:
        if not fires_at_threshold(self.spike) or self.reset is not subtract:
            return None
        return Signed(self.v_threshold, self.start * self.v_threshold)

    def step(self, state: SignedIFState, x: Tensor) -> tuple[SignedIFState, Tensor]:
        return signed_if_step(state, x, v_threshold=self.v_threshold.to(x.dtype), spike=self.spike, reset=self.reset)

"""MultiThresholdIF: integrate-and-fire neuron whose spikes have several sizes, given by a firing function."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.arguments import named
from ..core.dynamics import Graded
from ..core.errors import ArgumentError, sentence
from ..core.layout import Rows, takes_compiled_loops
from ..core.neuron import Neuron
from ..core.parallel import over_parts
from ..core.temporal import check_sequence
from ..core.unroll import bptt
from .firing.firing import Firing, Sign, straight_through
from .firing.multi_threshold import MultiThreshold

MT = MultiThreshold()
"""Four thresholds."""


class MultiThresholdIFState(NamedTuple):
    """State of integrate-and-fire neurons with several thresholds, both in units of the threshold."""

    v: Tensor  # membrane potential, [N, *F]
    emitted: Tensor  # what was fired so far, up minus down, [N, *F]


def multi_threshold_if_step(
    state: MultiThresholdIFState, x: Tensor, *, firing: Firing, sign: Sign, v_threshold: Tensor, decay: Tensor
) -> tuple[MultiThresholdIFState, Tensor]:
    """Advance integrate-and-fire neurons with several thresholds by one time step: charge, fire, reset.

        v' = decay * v + x / v_threshold        s = fire(v', emitted)        v'' = v' - s        emitted' = emitted + s

    Args:
        state: membrane potential and what was fired before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        firing: the firing function.
        sign: which signs it may fire.
        v_threshold: threshold above 0, broadcastable to x; the largest or the smallest one, as the firing function has
            it.
        decay: share of the potential kept per step, 0..1; 1 without a leak.

    Returns:
        The new state, and the spikes in units of the threshold, [N, *F].

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, rate-coded neurons.

    Example:
        >>> one, zero = torch.tensor([1.0]), torch.tensor([0.0])
        >>> state, s = multi_threshold_if_step(
        ...     MultiThresholdIFState(zero, zero), 0.7 * one, firing=MultiThreshold(), sign=Sign.BOTH, v_threshold=one,
        ...     decay=one
        ... )
        >>> s, state.v
        (tensor([0.5000]), tensor([0.2000]))
    """
    v = decay * state.v + x / v_threshold
    with torch.no_grad():
        fired = firing.fire(v, sign, state.emitted)
    if v.requires_grad:
        fired = straight_through(fired, v, 0.0 if sign is Sign.POSITIVE else -firing.reach, firing.reach)
    return MultiThresholdIFState(v - fired, state.emitted + fired), fired


class MultiThresholdIF(Neuron):
    """Integrate-and-fire neuron that fires spikes of several sizes; its gradient is that of the identity in its range.

    NIR cannot say it: its neurons fire one kind of spike.

    Args:
        firing: the firing function.
        sign: which signs it may fire.
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        decay: share of the potential kept per step, above 0 and at most 1; a leaky neuron starts at 1/decay of the
            firing function's start, so that its first charge brings it there.
        amplitude, learn: see `Neuron`; "amplitude" can be learnt.

    Example:
        >>> MultiThresholdIF().over_time(torch.full((4, 1, 1), 0.7)).flatten()
        tensor([0.5000, 1.0000, 0.5000, 1.0000])
    """

    graded = True
    follows_spike = False
    v_threshold: Tensor
    decay: Tensor
    learnable = ("amplitude",)
    levels = MT.values(Sign.BOTH)

    def __init__(
        self,
        *,
        firing: Firing = MT,
        sign: Sign = Sign.BOTH,
        v_threshold: float | Tensor = 1.0,
        decay: float = 1.0,
        amplitude: float | Tensor = 1.0,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(amplitude=amplitude, learn=learn)
        check_firing(firing, sign, type(self).__name__)
        self.firing, self.sign = firing, sign
        self.levels = firing.values(sign)
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("decay", decay, above=0)
        if not (self.decay <= 1).all():
            raise ArgumentError(sentence("MultiThresholdIF.decay", repr(decay), "numbers above 0, at most 1"))

    def init_state(self, x: Tensor) -> MultiThresholdIFState:
        start = self.firing.start(self.sign) / self.decay.to(x.dtype)
        return MultiThresholdIFState(torch.zeros_like(x) + start, torch.zeros_like(x))

    def over_time(self, xs: Tensor) -> Tensor:
        """Input [T, N, *F] -> amplitude times spikes, [T, N, *F]; in compiled loops where that is possible.

        Raises:
            ShapeError: if xs is no floating-point [T, N, ...], or a carried state has another shape.
        """
        check_sequence(xs, type(self).__name__)
        if self.unroll is not bptt or not takes_compiled_loops(xs, self.amplitude):
            return super().over_time(xs)
        out = self._compiled(xs, self.begin(lambda: self._fresh(xs), repeat(xs[0])))
        return super().over_time(xs) if out is None else out

    def _compiled(self, xs: Tensor, state: MultiThresholdIFState) -> Tensor | None:
        from .firing.compiled import encoded  # compiles, or reads what was compiled before
        from .multi_threshold_compiled import advance

        like = xs.new_empty(0).numpy()
        code = encoded(self.firing, self.sign, like.dtype)
        rows = Rows(xs)
        if code is None or not rows.shares(self.v_threshold, self.decay, self.amplitude):
            return None
        given = rows.of(xs)
        out, v, emitted = torch.empty_like(given), rows.state(state.v), rows.state(state.emitted)
        constants = [rows.each(value.detach(), xs).numpy() for value in (self.v_threshold, self.decay, self.amplitude)]
        arrays = [part.detach().numpy() for part in (given, out, v, emitted)]
        over_parts(advance, (*arrays, *constants, *code), xs.shape[1])
        self.end(MultiThresholdIFState(rows.back(v), rows.back(emitted)))
        return rows.back(out)

    def dynamics(self) -> Graded:
        start = self.firing.start(self.sign) / self.decay
        return Graded(self.v_threshold, start, self.decay, self.firing, self.sign)

    def membrane(self, state: MultiThresholdIFState) -> Tensor:
        return state.v

    def step(self, state: MultiThresholdIFState, x: Tensor) -> tuple[MultiThresholdIFState, Tensor]:
        return multi_threshold_if_step(
            state,
            x,
            firing=self.firing,
            sign=self.sign,
            v_threshold=self.v_threshold.to(x.dtype),
            decay=self.decay.to(x.dtype),
        )

    def extra_repr(self) -> str:
        return f"{self.firing}, {self.sign.value}, {super().extra_repr()}"


def check_firing(firing: object, sign: object, who: str) -> None:
    """Raise ArgumentError unless these are a firing function and a `Sign`."""
    if not isinstance(firing, Firing):
        raise ArgumentError(sentence(f"{who}.firing", named(firing), "a firing function, e.g. MultiThreshold()"))
    if not isinstance(sign, Sign):
        raise ArgumentError(sentence(f"{who}.sign", repr(sign), "Sign.POSITIVE, Sign.BUDGETED or Sign.BOTH"))

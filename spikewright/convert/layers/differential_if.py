"""DifferentialIF: neuron under differential coding, whose spikes correct what the next layer believes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.dynamics import Differential
from ...core.layout import Rows, takes_compiled_loops
from ...core.neuron import Neuron
from ...core.parallel import over_parts
from ...core.probe import Probed
from ...core.temporal import check_sequence
from ...core.unroll import bptt
from ...neurons.firing.firing import Firing, Sign, straight_through
from ...neurons.multi_threshold_if import MT, check_firing


class DifferentialIFState(NamedTuple):
    """State of differential neurons."""

    t: Tensor  # number of steps so far, []
    r_in: Tensor  # estimate of the input's activity, [N, *F]
    r_out: Tensor  # what the receiver believes the output's activity is, [N, *F]


def differential_if_step(
    state: DifferentialIFState,
    x: Tensor,
    *,
    firing: Firing,
    sign: Sign,
    v_threshold: Tensor,
    ceiling: Tensor | None = None,
) -> tuple[DifferentialIFState, Tensor]:
    """Advance differential neurons by one time step: take the correction in, fire, and note what the receiver learns.

        r_in'  = r_in + x / t
        v      = v(0) + t * (r_in' - r_out)                 in units of the threshold; there is no membrane to keep
        s      = fire(v, t * r_out)
        r_out' = r_out + s / t

    Args:
        state: number of steps, estimates before the step.
        x: what arrives, without its constant part, [N, *F], in the unit of the threshold: t times the correction.
        firing: the firing function.
        sign: which signs it may fire.
        v_threshold: threshold above 0, broadcastable to x.
        ceiling: the largest activity, for a clipped ReLU; None without one.

    Returns:
        The new state, and the spikes in units of the threshold, [N, *F].

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, differential neurons.
        Differs: the membrane potential is not kept, as it follows from the two estimates.

    Example:
        >>> one, zero = torch.tensor([1.0]), torch.tensor([0.0])
        >>> state = DifferentialIFState(torch.tensor(0), zero, zero)
        >>> state, s = differential_if_step(state, 0.7 * one, firing=MT, sign=Sign.BOTH, v_threshold=one)
        >>> s, state.r_out
        (tensor([0.5000]), tensor([0.5000]))
    """
    t = state.t + 1
    r_in = state.r_in + x / t
    wanted = r_in if ceiling is None else torch.minimum(r_in, ceiling)
    v = firing.start(sign) + t * (wanted - state.r_out) / v_threshold
    with torch.no_grad():
        fired = firing.fire(v, sign, t * state.r_out / v_threshold if sign is Sign.BUDGETED else None)
    if v.requires_grad:
        fired = straight_through(fired, v, 0.0 if sign is Sign.POSITIVE else -firing.reach, firing.reach)
    return DifferentialIFState(t, r_in, state.r_out + fired * v_threshold / t), fired


class DifferentialIF(Neuron, Probed):
    """Integrate-and-fire neuron under differential coding: a spike at step t moves the receiver's estimate by 1/t.

    Nothing is sent where nothing has changed. A receiver starts at 0; what reaches this layer without an image is its
    input's first estimate.

    Args:
        firing: the firing function.
        sign: which signs it may fire.
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F].
        ceiling: the largest activity, for a clipped ReLU; infinite without one.
        amplitude: what a spike of one threshold delivers, the threshold itself in a converted network.

    Example:
        >>> neuron = DifferentialIF(firing=MT)
        >>> xs = torch.tensor([0.7, 0.0, 0.0, 0.0]).view(4, 1, 1)  # an activity of 0.7, told once
        >>> (neuron.over_time(xs).flatten() / torch.arange(1, 5)).cumsum(0)
        tensor([0.5000, 0.7500, 0.7083, 0.7083])
    """

    graded = True
    sends_corrections = True
    v_threshold: Tensor
    ceiling: Tensor
    learnable = ()
    levels = MT.values(Sign.BOTH)

    def __init__(
        self,
        *,
        firing: Firing = MT,
        sign: Sign = Sign.BOTH,
        v_threshold: float | Tensor = 1.0,
        ceiling: float | None = None,
        amplitude: float | Tensor = 1.0,
    ) -> None:
        super().__init__(amplitude=amplitude)
        check_firing(firing, sign, type(self).__name__)
        self.firing, self.sign = firing, sign
        self.levels = firing.values(sign)
        self.hold("v_threshold", v_threshold, above=0)
        self.clipped = ceiling is not None
        if ceiling is not None:
            self.hold("ceiling", ceiling, above=0)

    def init_state(self, x: Tensor) -> DifferentialIFState:
        """State before the first step, for an input like x [N, *F] without a constant part."""
        zero = torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32))
        return DifferentialIFState(torch.zeros((), dtype=torch.int64, device=x.device), zero, torch.zeros_like(zero))

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Corrections [T, N, *F] -> the corrections that the receiver gets, [T, N, *F]."""
        check_sequence(xs, type(self).__name__)
        silent = self.silent(xs)
        if silent is not None:
            return silent
        (constant,) = self.constant_parts(xs)
        fresh = self._fresh(xs)
        fresh = fresh._replace(r_in=fresh.r_in + constant)
        state = self.begin(lambda: fresh, fresh)
        out = None
        if self.unroll is bptt and takes_compiled_loops(xs, self.amplitude):
            out = self._compiled(xs, state, constant)
        if out is None:
            state, spikes = self.unroll(self, state, xs - constant)
            self.end(state)
            out = spikes * self.amplitude.to(xs.dtype)
        return out

    def _compiled(self, xs: Tensor, state: DifferentialIFState, constant: Tensor | float) -> Tensor | None:
        from ...neurons.firing.compiled import encoded  # compiles, or reads what was compiled before
        from .differential_compiled import advance

        like = xs.new_empty(0).numpy()
        code = encoded(self.firing, self.sign, like.dtype)
        rows = Rows(xs)
        if code is None or not rows.shares(constant, self.v_threshold, self.amplitude):
            return None
        given = rows.of(xs)
        out, r_in, r_out = torch.empty_like(given), rows.state(state.r_in), rows.state(state.r_out)
        each = [rows.each(value, xs).numpy() for value in (constant, self.v_threshold, self.amplitude)]
        steps = (state.t + torch.arange(1, len(xs) + 1)).to(xs.dtype).numpy()
        ceiling = np.array([float(self.ceiling) if self.clipped else np.inf], like.dtype)
        numbers = (ceiling, steps, np.array([self.firing.start(self.sign)], like.dtype))
        arrays = [part.detach().numpy() for part in (given, out, r_in, r_out)]
        over_parts(advance, (*arrays, *each, *numbers, *code), xs.shape[1])
        self.end(DifferentialIFState(state.t + len(xs), rows.back(r_in), rows.back(r_out)))
        return rows.back(out)

    def dynamics(self) -> Differential:
        ceiling = float(self.ceiling) if self.clipped else float("inf")
        return Differential(self.v_threshold, self.firing, self.sign, ceiling)

    def membrane(self, state: DifferentialIFState) -> Tensor:
        wanted = torch.minimum(state.r_in, self.ceiling) if self.clipped else state.r_in
        return self.firing.start(self.sign) + state.t * (wanted - state.r_out) / self.v_threshold

    def step(self, state: DifferentialIFState, x: Tensor) -> tuple[DifferentialIFState, Tensor]:
        wide = state.r_in.dtype
        state, fired = differential_if_step(
            state,
            x.to(wide),
            firing=self.firing,
            sign=self.sign,
            v_threshold=self.v_threshold.to(wide),
            ceiling=self.ceiling.to(wide) if self.clipped else None,
        )
        return state, fired.to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.firing}, {self.sign.value}, {super().extra_repr()}"

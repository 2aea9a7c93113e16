"""DifferentialInput, DifferentialOutput: from rate coding to differential coding and back, at a network's two ends."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...core.probe import Probed
from ...core.stateful import Stateful
from ...core.temporal import check_sequence


class EstimateState(NamedTuple):
    """State of the two ends."""

    t: Tensor  # number of steps so far, []
    r: Tensor  # estimate of the activity, [N, *F], at least in float32


def to_differential(state: EstimateState, xs: Tensor) -> tuple[EstimateState, Tensor]:
    """What has to be sent so that the receiver's estimate is the running mean of xs [T, N, *F].

        d(t) = x(t) - r(t - 1)        r(t) = r(t - 1) + d(t) / t

    An image that is repeated is sent once, and then nothing.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, definition of differential coding.
    """
    t, r, sent = state.t, state.r, []
    for x in xs:
        t = t + 1
        change = x - r
        r = r + change / t
        sent.append(change.to(xs.dtype))
    return EstimateState(t, r), torch.stack(sent)


def from_differential(state: EstimateState, xs: Tensor) -> tuple[EstimateState, Tensor]:
    """The rate-coded signal x(t) = d(t) + r(t - 1), whose running mean is the estimate; the inverse of the above."""
    t, r, got = state.t, state.r, []
    for x in xs:
        t = t + 1
        got.append((x + r).to(xs.dtype))
        r = r + x / t
    return EstimateState(t, r), torch.stack(got)


def _first(x: Tensor) -> EstimateState:
    wide = torch.promote_types(x.dtype, torch.float32)
    return EstimateState(torch.zeros((), dtype=torch.int64, device=x.device), torch.zeros_like(x, dtype=wide))


class DifferentialInput(Stateful):
    """Sends what differs from the mean of the input so far, [T, N, *F] -> [T, N, *F].

    Example:
        >>> DifferentialInput().over_time(torch.tensor([2.0, 2.0, 5.0]).view(3, 1, 1)).flatten()
        tensor([2., 0., 3.])
    """

    fires = False
    sends_corrections = True

    def init_state(self, x: Tensor) -> EstimateState:
        """State before the first step, for an input like x [N, *F]."""
        return _first(x)

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        check_sequence(xs, "DifferentialInput")
        fresh = self.init_state(xs[0])
        state, out = to_differential(self.begin(lambda: fresh, fresh), xs)
        self.end(state)
        return out


class DifferentialOutput(Stateful, Probed):
    """Adds the estimate so far, so that the running mean of the output is the estimate, [T, N, *F] -> [T, N, *F].

    Example:
        >>> DifferentialOutput().over_time(torch.tensor([2.0, 0.0, 3.0]).view(3, 1, 1)).flatten()
        tensor([2., 2., 5.])
    """

    fires = False

    def init_state(self, x: Tensor) -> EstimateState:
        """State before the first step, for an input like x [N, *F] without a constant part."""
        return _first(x)

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        check_sequence(xs, "DifferentialOutput")
        silent = self.silent(xs)
        if silent is not None:
            return silent
        (constant,) = self.constant_parts(xs)
        fresh = self.init_state(xs[0])
        fresh = fresh._replace(r=fresh.r + constant)
        state, out = from_differential(self.begin(lambda: fresh, fresh), xs - constant)
        self.end(state)
        return out

"""MultiThreshold: one spike per step, of the power of two nearest to the membrane potential."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.arguments import check_whole
from .firing import TIE, Firing, Sign, given, power_of_two_below


@dataclass(frozen=True, kw_only=True)
class MultiThreshold(Firing):
    """Thresholds 1, 1/2, 1/4, ..., 2^(1-n): fires the largest one, l, with |v| >= 3/4 l, with v's sign; at most one.

    3/4 of a threshold is midway between it and the next smaller one. With a budget, a downward spike is no larger
    than what was fired before. Firing leaves at most a third of |v|, or 3/4 of the smallest threshold, while |v| is
    at most 3/2.

    Args:
        thresholds: n, at least 1.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, MT neuron; the factor 3/4 as in the authors' code.

    Example:
        >>> MultiThreshold(thresholds=3).fire(torch.tensor([-0.5, 0.1, 0.7, 0.8, 9.0]), Sign.BOTH)
        tensor([-0.5000,  0.0000,  0.5000,  1.0000,  1.0000])
    """

    thresholds: int = 4

    def __post_init__(self) -> None:
        check_whole("MultiThreshold.thresholds", self.thresholds, least=1, most=14)

    def fire(self, v: Tensor, sign: Sign, emitted: Tensor | None = None) -> Tensor:
        up = self._nearest(v)
        if sign is Sign.POSITIVE:
            return up
        down = self._nearest(-v)
        if sign is Sign.BUDGETED:
            down = torch.minimum(down, power_of_two_below(given(emitted).clamp(min=0) * (1 + TIE)))
            down = down.where(down >= self._smallest, 0)
        return up - down

    def _nearest(self, v: Tensor) -> Tensor:
        """The largest threshold l with v >= 3/4 l, or 0."""
        v = v.clamp(0, 0.75)
        below = power_of_two_below(v)
        nearest = below.where(v < 1.5 * below, 2 * below)
        return nearest.where(nearest >= self._smallest, 0)

    @property
    def _smallest(self) -> float:
        return 2.0 ** (1 - self.thresholds)

    def start(self, sign: Sign) -> float:
        return 0.0

    @property
    def reach(self) -> float:
        return 1.0

    def steps(self, timesteps: int, sign: Sign) -> tuple[int, int, int]:
        """The authors' level density, T * 2^n; one step resolves 2^(n-1)."""
        density = timesteps * 2**self.thresholds
        return density, -density if sign is Sign.BOTH else 0, density

    def values(self, sign: Sign) -> tuple[float, ...]:
        up = tuple(2.0**-k for k in reversed(range(self.thresholds)))
        return (0.0, *up) if sign is Sign.POSITIVE else (*(-value for value in reversed(up)), 0.0, *up)

"""ErrorOptimal: the threshold with which a neuron's mean output over T steps comes closest to the activation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from .histogram import RunningHistogram
from .statistic import Measure, Statistic

GRID = 256
"""Candidates from one power of two to the next, besides the activations themselves."""
REFINED = 8
"""How many of the best candidates are refined until nothing changes."""


class StepError:
    """Squared error of what an IF neuron delivers, as a function of its threshold, over given activations.

    With the start at half the threshold, a constant input a becomes on average over T steps

        q(a) = threshold * k / T,    k = clip(floor(T a / threshold + 1/2), 0, T)

    so k is at least m from a = threshold (m - 1/2) / T on, and all sums over the activations are sums over those above
    T such borders. Where no activation crosses a border the error is a parabola in the threshold,

        sum (a - q)^2 = sum a^2 - 2 threshold B / T + threshold^2 C / T^2,    B = sum a k,    C = sum k^2

    Args:
        values: activations above 0, rising, float64 [n].
        counts: how often each occurs, [n].
        timesteps: T.
    """

    def __init__(self, values: Tensor, counts: Tensor, timesteps: int) -> None:
        counts = counts.double()
        self.values, self.timesteps = values, timesteps
        self.above = [_sums_from(counts * values**power) for power in range(3)]
        self.square = self.above[2][0]
        self.borders = (torch.arange(timesteps, dtype=torch.float64) + 0.5) / timesteps
        self.weights = 2 * torch.arange(timesteps, dtype=torch.float64) + 1  # m^2 - (m - 1)^2

    def sums(self, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """B and C at each threshold, [c]."""
        rows = max(1, (1 << 18) // self.timesteps)
        parts = []
        for part in thresholds.split(rows):
            first = torch.searchsorted(self.values, part.unsqueeze(1) * self.borders)
            parts.append((self.above[1][first].sum(1), self.above[0][first] @ self.weights))
        b, c = zip(*parts)
        return torch.cat(b), torch.cat(c)

    def at(self, thresholds: Tensor) -> Tensor:
        """The error at each threshold, [c]."""
        return self._parabola(thresholds, *self.sums(thresholds))

    def clipping(self, thresholds: Tensor) -> Tensor:
        """The part of the error that activations above the threshold have at least, [c]."""
        n, s, q = (sums[torch.searchsorted(self.values, thresholds, right=True)] for sums in self.above)
        return q - 2 * thresholds * s + thresholds**2 * n

    def lowered(self, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """Each threshold moved to the lowest point of its parabola, at most to the largest activation.

        Returns:
            The thresholds, and the parabola's value there. The error is at most that: the neuron delivers the level
            nearest to an activation, so where the threshold has crossed a border, another k is better still.
        """
        b, c = self.sums(thresholds)
        lowest = (self.timesteps * b / c).clamp_(max=self.values[-1])
        return lowest, self._parabola(lowest, b, c)

    def _parabola(self, thresholds: Tensor, b: Tensor, c: Tensor) -> Tensor:
        step = thresholds / self.timesteps
        return self.square - 2 * step * b + step**2 * c


def least_error_threshold(values: Tensor, counts: Tensor, timesteps: int) -> float:
    """The threshold, at most the largest activation, with the least squared error; see `StepError`.

    Candidates are all activations and a grid between the smallest and the largest. Those that lose more by clipping
    alone than another loses in all are left out, and the best are refined in closed form until nothing changes.

    Args:
        values: activations above 0, rising, float64 [n].
        counts: how often each occurs, [n].
        timesteps: T, at least 1.

    Example:
        >>> least_error_threshold(torch.tensor([1.0, 2.0, 4.0]).double(), torch.tensor([1, 1, 1]), 4)
        4.0
    """
    error = StepError(values, counts, timesteps)
    top = float(values[-1])
    octaves = float(torch.log2(values[-1] / values[0]))
    grid = top * torch.exp2(-torch.arange(int(octaves * GRID) + 1, dtype=torch.float64) / GRID)
    reached = error.at(grid[:: GRID // 4]).min()
    candidates = torch.cat([grid, values])
    candidates = candidates[error.clipping(candidates) <= reached]
    lowest, bounds = error.lowered(candidates)
    best = lowest[bounds.topk(min(REFINED, len(bounds)), largest=False).indices]
    errors = error.at(best)
    while True:
        best, _ = error.lowered(best)
        before, errors = errors, error.at(best)
        if not bool((errors < before - 1e-14 * error.square).any()):
            return float(best[errors.argmin()])


@dataclass(frozen=True, kw_only=True)
class ErrorOptimal(Statistic):
    """The threshold with the least mean squared difference between activation and mean output over T steps.

    A low threshold clips large activations, a high one leaves few levels for the small ones; this is the best
    trade for a given T. For IF neurons that start at half their threshold, as those of OPI do, and a constant
    input. Activations are known to 1/1024 of their value; those below 1/2048 of the layer's largest count as zero.

    Args:
        timesteps: T, the number of time steps that the network is to be run for; more steps allow a higher
            threshold. 8 is the low-latency case in which the trade matters most.
        groups: `per_layer` or `per_channel`.

    Source: Li et al. 2021, "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration",
        ICML 2021, arXiv 2106.06984.
        Differs: the authors' code searches 95 hundredths of each batch's largest activation, for neurons without
        the start at half the threshold, and averages over batches; here the minimum over all data is found.
    """

    timesteps: int = 8

    def __post_init__(self) -> None:
        if isinstance(self.timesteps, bool) or not isinstance(self.timesteps, int) or self.timesteps < 1:
            raise ArgumentError(
                sentence(
                    "ErrorOptimal.timesteps",
                    repr(self.timesteps),
                    "a whole number of at least 1",
                    "Give the number of time steps that the network is to be run for",
                )
            )

    def begin(self, who: str, samples: int | None = None) -> Measure:
        return _RunningError(self.timesteps, who)


class _RunningError(Measure):
    def __init__(self, timesteps: int, who: str) -> None:
        self.timesteps = timesteps
        self.histogram = RunningHistogram(who)

    def update(self, values: Tensor) -> None:
        self.histogram.count(values)

    def result(self) -> Tensor:
        self.histogram.total()
        edges, found = self.histogram.edges(), []
        for counts in self.histogram.counts:
            occupied = counts.nonzero().flatten()
            occupied = occupied[occupied > 0]
            some = len(occupied) > 0
            found.append(least_error_threshold(edges[occupied], counts[occupied], self.timesteps) if some else 0.0)
        return torch.tensor(found)


def _sums_from(values: Tensor) -> Tensor:
    """Sum from each place to the end, and 0 for none, [n + 1]."""
    return torch.cat([values.flip(0).cumsum(0).flip(0), values.new_zeros(1)])

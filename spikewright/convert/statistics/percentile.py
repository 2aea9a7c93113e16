"""Percentile: the value that a given share of all activations does not exceed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from ...core.errors import ArgumentError, DataError, sentence
from ...core.processes import Processes
from .histogram import RunningHistogram
from .statistic import Measure, Statistic


@dataclass(frozen=True, kw_only=True, repr=False)
class Percentile(Statistic):
    """A high percentile of the activations, zeros included, to within 1/1024 of itself.

    Never below the exact value. Activations below 1/2048 of the layer's largest count as zero.

    Args:
        percentile: 0..100, e.g. 99.9: the value that this share of all activations does not exceed.
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks", Frontiers in Neuroscience 11:682, section 2.2.2 ("robust normalization").
    """

    percentile: float = 99.9

    def __post_init__(self) -> None:
        if not isinstance(self.percentile, Real) or not 0 < self.percentile <= 100:
            raise ArgumentError(
                sentence("Percentile.percentile", repr(self.percentile), "a number above 0, at most 100")
            )

    def begin(self, who: str) -> Measure:
        return _RunningPercentile(self.percentile / 100, who)


class _RunningPercentile(Measure):
    refuses_broken = True  # the histogram does, in the pass that counts

    def __init__(self, share: float, who: str) -> None:
        self.share, self.who = share, who
        self.histogram = RunningHistogram(who)

    def update(self, values: Tensor) -> None:
        self.histogram.count(values)

    def merge(self, processes: Processes) -> None:
        self.histogram.merge(processes)

    def result(self) -> Tensor:
        total = self.histogram.total()
        needed = 1 / (1 - self.share) if self.share < 1 else 1
        if total < needed * (1 - 1e-9):
            raise DataError(
                f"{self.who}: got {total} values per group for the {100 * self.share:g}th percentile; "
                f"expected at least {math.ceil(needed - 1e-6)}. Give more calibration samples, a lower percentile, "
                "or Maximum."
            )
        # 99.9 / 100 * 1000 is a little above 999 in floating point, and must not ask for the 1000th value
        rank = max(1, math.ceil(self.share * total * (1 - 1e-12)))
        return self.histogram.edges()[self.histogram.places_of(rank)].float()

"""Percentile: the value that a given share of all activations does not exceed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from ...core.errors import ArgumentError, DataError, sentence
from .histogram import RunningHistogram
from .statistic import Measure, Statistic


@dataclass(frozen=True, kw_only=True)
class Percentile(Statistic):
    """A high percentile of the activations, zeros included, to within 1/1024 of itself.

    Never below the exact value. Activations below 1/2048 of the layer's largest count as zero.

    Args:
        percentile: 0..100, e.g. 99.9: the value that this share of all activations does not exceed.
        groups: `per_layer` or `per_channel`.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks", Frontiers in Neuroscience 11:682, section 2.2.2 ("robust normalization").
    """

    percentile: float = 99.9

    def __post_init__(self) -> None:
        if not isinstance(self.percentile, Real) or not 0 < self.percentile <= 100:
            raise ArgumentError(
                sentence("Percentile.percentile", repr(self.percentile), "a number above 0, at most 100")
            )

    def begin(self, who: str, samples: int | None = None) -> Measure:
        return _RunningPercentile(self.percentile / 100, who, samples)


class _RunningPercentile(Measure):
    """Counts everything; where the number of samples is known, soon only what can still be the percentile.

    As many of the largest values decide as lie at or above the percentile in the end. Once that many are above a
    floor, no value below it can become the percentile, whatever comes later.
    """

    WORTH = 16  # the floor is raised where more than one in so many values was looked at, and fewer can decide

    def __init__(self, share: float, who: str, samples: int | None) -> None:
        self.share, self.who, self.samples = share, who, samples
        self.histogram = RunningHistogram(who)
        self.looked_at = 0

    def update(self, values: Tensor) -> None:
        self.histogram.count(values)
        if self.samples is None:
            return
        size = values[0].numel()
        total = size // values.shape[1] * self.samples
        deciding = total - self._rank(total) + 1
        kept = self.histogram.total() - int(self.histogram.counts[:, 0].min())
        if self.WORTH * deciding < self.histogram.total() and self.WORTH * (kept - self.looked_at) > size:
            self.histogram.forget_below(deciding)
            kept = self.histogram.total() - int(self.histogram.counts[:, 0].min())
        self.looked_at = kept

    def result(self) -> Tensor:
        total = self.histogram.total()
        needed = 1 / (1 - self.share) if self.share < 1 else 1
        if total < needed * (1 - 1e-9):
            raise DataError(
                f"{self.who}: got {total} values per group for the {100 * self.share:g}th percentile; "
                f"expected at least {math.ceil(needed - 1e-6)}. Give more calibration samples, a lower percentile, "
                "or Maximum."
            )
        places = self.histogram.places_of(self._rank(total))
        if not bool(self.histogram.known(places).all()):
            raise DataError(
                f"{self.who}: got more samples than the {self.samples} that the calibration data said it had; "
                "expected as many. Correct its __len__, or give an iterator, list(data) or a tensor."
            )
        return self.histogram.edges()[places].float()

    def _rank(self, total: int) -> int:
        """How many of the values do not exceed the percentile."""
        # 99.9 / 100 * 1000 is a little above 999 in floating point, and must not ask for the 1000th value
        return max(1, math.ceil(self.share * total * (1 - 1e-12)))

"""mean_interval(values): what a mean of few episodes says of the true one, by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from statistics import fmean, stdev

from ..core.errors import ArgumentError, DataError, sentence
from .iqm import scipy_stats


def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Ends of the interval of a mean, mean -+ t s / sqrt(n) with n - 1 degrees of freedom; None for a single value.

    The values are taken for draws of a normal distribution. Few episodes need the t distribution: of two, the normal
    one would give an interval 6.5 times too narrow.

    Args:
        values: independent measurements, e.g. the returns of episodes.
        confidence: of the interval, between 0 and 1.

    Raises:
        DataError: if there is no value, or one is not finite.
        ArgumentError: for another confidence, and without SciPy.

    Source: Student 1908, "The probable error of a mean", Biometrika 6.

    Example:
        >>> low, high = mean_interval([1.0, 3.0])
        >>> round(low, 1), round(high, 1)
        (-10.7, 14.7)
    """
    if not 0 < confidence < 1:
        met = repr(confidence)
        raise ArgumentError(sentence("mean_interval.confidence", met, "a number between 0 and 1, e.g. 0.95"))
    if not values or not all(map(isfinite, values)):
        met = "no value" if not values else "a value that is not finite"
        raise DataError(sentence("mean_interval", met, "at least one finite number"))
    if len(values) == 1:
        return None
    t = float(scipy_stats("mean_interval").t.ppf((1 + confidence) / 2, len(values) - 1))
    middle, reach = fmean(values), t * stdev(values) / sqrt(len(values))
    return middle - reach, middle + reach

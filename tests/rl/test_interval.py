"""The interval of a mean of few values, against what it must cover."""

import numpy as np
import pytest

from spikewright.core.errors import ArgumentError, DataError
from spikewright.rl import mean_interval


def test_the_interval_by_the_printed_table_of_t():
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low, high) == pytest.approx((3 - 2.776 * 0.7071, 3 + 2.776 * 0.7071), abs=1e-3)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_it_holds_the_true_mean_as_often_as_it_says(count):
    draws = np.random.default_rng(0).normal(7.0, 3.0, (4000, count))
    held = np.mean([low <= 7 <= high for low, high in map(mean_interval, draws.tolist())])
    assert held == pytest.approx(0.95, abs=0.015)  # the normal interval of two values holds it in 71 % of cases


def test_a_single_value_has_none():
    assert mean_interval([1.0]) is None


@pytest.mark.parametrize(
    ("values", "confidence", "error"),
    [([], 0.95, DataError), ([1.0, float("nan")], 0.95, DataError), ([1.0, 2.0], 1.0, ArgumentError)],
)
def test_what_has_no_interval_is_refused(values, confidence, error):
    with pytest.raises(error):
        mean_interval(values, confidence=confidence)

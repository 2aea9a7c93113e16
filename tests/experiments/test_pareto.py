"""The Pareto front, worked by hand."""

from __future__ import annotations

import math

import pytest

from spikewright.experiments.pareto import pareto_front


@pytest.mark.parametrize(
    ("costs", "gains", "front"),
    [
        ((), (), ()),
        ((3,), (0.5,), (True,)),
        # Rising together: each is the best for its price. Reversed, one beats all.
        ((1, 2, 4), (0.5, 0.7, 0.9), (True, True, True)),
        ((1, 2, 4), (0.9, 0.7, 0.5), (True, False, False)),
        # The order of the rows means nothing.
        ((4, 1, 2), (0.9, 0.5, 0.7), (True, True, True)),
        # As cheap and worse, as good and dearer: both are beaten. Equal in both: both stay.
        ((2, 2), (0.7, 0.8), (False, True)),
        ((2, 3), (0.8, 0.8), (True, False)),
        ((2, 2), (0.8, 0.8), (True, True)),
        # What is not known is not on the front, and beats none.
        ((None, 1, 2), (0.9, 0.5, None), (False, True, False)),
        ((math.nan, 1), (0.9, 0.5), (False, True)),
    ],
)
def test_the_front_by_hand(costs: tuple, gains: tuple, front: tuple[bool, ...]) -> None:
    assert pareto_front(costs, gains) == front


def test_as_many_gains_as_costs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pareto_front([1, 2], [0.5])

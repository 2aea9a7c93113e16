"""The interquartile mean and its interval, against what they are defined by."""

import numpy as np
import pytest

from spikewright.core.errors import ArgumentError, DataError
from spikewright.rl import interquartile_mean


def test_the_middle_half_by_hand():
    assert interquartile_mean([[10.0, 1.0, 2.0, 3.0, -90.0]]).mean == pytest.approx(2.0)
    assert interquartile_mean([[0.0, 1.0], [2.0, 99.0]]).mean == pytest.approx(1.5)


def test_the_interval_holds_the_mean_and_follows_the_seed():
    scores = np.random.default_rng(0).normal(5, 1, (2, 8)).tolist()
    found = interquartile_mean(scores)
    assert found.low < found.mean < found.high
    assert interquartile_mean(scores) == found
    assert interquartile_mean(scores, seed=1).mean == found.mean
    assert interquartile_mean(scores, confidence=0.5).high < found.high


def test_runs_of_a_task_are_drawn_apart():
    # drawn together, a draw could hold runs of one task only, and the interval would reach 0 and 100
    found = interquartile_mean([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]])
    assert found.low == found.high == found.mean == 50


def test_the_interval_covers_as_often_as_it_says():
    draw = np.random.default_rng(1)
    found = [interquartile_mean([draw.normal(0, 1, 20).tolist()], seed=number) for number in range(100)]
    assert 85 <= sum(each.low <= 0 <= each.high for each in found) <= 99


def test_a_single_run_has_no_interval():
    assert interquartile_mean([[3.0]]) == (3.0, None, None)
    assert interquartile_mean([[3.0, 3.0]]) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("scores", [[], [[]], [[1.0], []], [[1.0, float("nan")]]])
def test_no_scores(scores):
    with pytest.raises(DataError, match=r"interquartile_mean: got a task without finite scores"):
        interquartile_mean(scores)


def test_wrong_arguments():
    with pytest.raises(DataError, match=r"got numbers that are no lists of runs; expected of each task a list"):
        interquartile_mean([1.0, 2.0])
    with pytest.raises(
        ArgumentError, match=r"interquartile_mean\.confidence: got 2; expected a number between 0 and 1"
    ):
        interquartile_mean([[1.0, 2.0]], confidence=2)

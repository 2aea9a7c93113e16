"""interquartile_mean(scores): what independent runs reach without their best and worst quarter, with an interval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ..core.errors import ArgumentError, DataError, sentence

RESAMPLES = 2000


class Interquartile(NamedTuple):
    """Interquartile mean and its interval; low and high are None where a single run allows none."""

    mean: float
    low: float | None
    high: float | None


def interquartile_mean(scores: Sequence[Sequence[float]], *, confidence: float = 0.95, seed: int = 0) -> Interquartile:
    """Mean of the middle half of all scores, with a percentile interval by stratified bootstrap.

    Runs are drawn with repetition, those of each task apart.

    Args:
        scores: of each task its runs, on a scale that tasks share.
        confidence: of the interval.
        seed: of the draws.

    Raises:
        DataError: if a task has no run, or a score is not finite.
        ArgumentError: for another confidence than one between 0 and 1, and without SciPy.

    Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021,
        arXiv 2108.13264.

    Example:
        >>> interquartile_mean([[0.0, 5.0, 7.0, 100.0]]).mean
        6.0
    """
    parts = [np.asarray(task, float) for task in scores]
    if not 0 < confidence < 1:
        met = repr(confidence)
        raise ArgumentError(sentence("interquartile_mean.confidence", met, "a number between 0 and 1, e.g. 0.95"))
    if any(part.ndim != 1 for part in parts):
        met, todo = "numbers that are no lists of runs", "For one task: [scores]"
        raise DataError(sentence("interquartile_mean", met, "of each task a list", todo))
    if not parts or not all(part.size and np.isfinite(part).all() for part in parts):
        raise DataError(sentence("interquartile_mean", "a task without finite scores", "at least one run of each"))
    stats = scipy_stats("interquartile_mean")

    def middle(*tasks: np.ndarray, axis: int = -1) -> np.ndarray:
        return stats.trim_mean(np.concatenate(tasks, axis), 0.25, axis=axis)

    mean = float(middle(*parts))
    if min(part.size for part in parts) < 2:
        return Interquartile(mean, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of runs that are all equal, whose interval is a point
        found = stats.bootstrap(
            parts, middle, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
    return Interquartile(mean, float(found.low), float(found.high))


def scipy_stats(who: str) -> ModuleType:
    """SciPy's statistics.

    Raises:
        ArgumentError: without SciPy.
    """
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        todo = "Install it: pip install 'spikewright[rl]'"
        raise ArgumentError(sentence(who, "no package scipy", "it installed", todo)) from error
    return stats

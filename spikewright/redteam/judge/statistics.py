"""Statistics of verdicts: what chance gives, and how sure a difference from it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...core.seed import generator
from .multiple_choice import Verdict

DRAWS = 5000
"""Resamples of a bootstrap, permutations of a test."""
Verdicts = Mapping[str, Sequence[Verdict]]
"""Of each trojan the verdicts of its seeds."""


@dataclass(frozen=True)
class Chance:
    """What guessing among so many options gives.

    Example:
        >>> Chance(8).top1, round(Chance(8).mrr, 3), Chance(8).rank
        (0.125, 0.34, 4.5)
    """

    options: int

    @property
    def top1(self) -> float:
        """Share of right answers."""
        return 1 / self.options

    @property
    def mrr(self) -> float:
        """Mean of 1 / rank."""
        return sum(1 / rank for rank in range(1, self.options + 1)) / self.options

    @property
    def rank(self) -> float:
        """Mean rank."""
        return (self.options + 1) / 2


def bootstrap(values: Sequence[float], *, seed: int, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of a mean over trojans, which are drawn again with replacement; nan for fewer than two.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7(1).

    Args:
        values: one per trojan: seeds of one trojan are no independent observations, so give their mean.
        seed: of the draws.
        confidence: how often the interval covers.

    Example:
        >>> bootstrap([0.5, 0.5, 0.5], seed=0)
        (0.5, 0.5)
    """
    if not 0 < confidence < 1:
        raise ArgumentError(sentence("bootstrap.confidence", repr(confidence), "a number between 0 and 1"))
    if len(values) < 2:
        return float("nan"), float("nan")
    table = torch.tensor(values, dtype=torch.float64)
    drawn = torch.randint(len(values), (DRAWS, len(values)), generator=generator(seed, 1))
    ends = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=torch.float64)
    low, high = table[drawn].mean(dim=1).quantile(ends).tolist()
    return low, high


def permutation_p(verdicts: Verdicts, *, seed: int) -> float:
    """How often the MRR is as high when the labels of the options are dealt anew: one-sided p-value.

    All seeds of one trojan get the same labels, since they show the same trigger.

    Args:
        verdicts: of each trojan those of its seeds; all with the same number of options.
        seed: of the permutations.

    Raises:
        ArgumentError: for no verdict.
    """
    if not verdicts or not all(verdicts.values()):
        raise ArgumentError(sentence("permutation_p.verdicts", "a trojan without one, or none", "at least one of each"))
    found, dealt = 0.0, torch.zeros(DRAWS, dtype=torch.float64)
    for place, each in enumerate(verdicts.values()):
        mean = torch.stack([_reciprocals(verdict) for verdict in each]).mean(dim=0)  # [options]
        found += float(mean[0])
        dealt += mean[torch.randint(len(mean), (DRAWS,), generator=generator(seed, 2, place))]
    return (1 + int((dealt >= found - 1e-9).sum())) / (1 + DRAWS)


def paired_p(differences: Sequence[float], *, seed: int) -> float:
    """How often random signs give a mean difference as high: one-sided p-value of a paired permutation test.

    Example:
        >>> paired_p([0.0, 0.0], seed=0)
        1.0
    """
    if not differences:
        raise ArgumentError(sentence("paired_p.differences", "none", "one per trojan"))
    table = torch.tensor(differences, dtype=torch.float64)
    signs = torch.randint(2, (DRAWS, len(table)), generator=generator(seed, 3)) * 2.0 - 1
    return (1 + int(((signs * table).mean(dim=1) >= table.mean() - 1e-9).sum())) / (1 + DRAWS)


def _reciprocals(verdict: Verdict) -> Tensor:
    """1 / rank of every option as if it were the truth: first the truth's own, then the others' by name."""
    places = sorted(range(len(verdict.names)), key=lambda k: (k != verdict.truth, verdict.names[k]))
    each = [Verdict(names=verdict.names, truth=k, scores=verdict.scores).reciprocal for k in places]
    return torch.tensor(each, dtype=torch.float64)

"""RFGSM: a random step, then one step along the steepest direction with what is left of the budget."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search, check_share


@dataclass(frozen=True, kw_only=True)
class RFGSM(Search):
    """FGSM from a random point at a share of eps, so that the gradient is not that of x itself.

        x' = x + share * eps * sign(noise)              z = x' + (1 - share) * eps * sign(gradient at x')

    for Linf; for other budgets noise of that size, and the way up, as they define them.

    Args:
        share: of eps that the random step takes, 0..1; 0 is FGSM.
        objective: what to make large.

    Source: Tramer et al. 2018, "Ensemble Adversarial Training: Attacks and Defenses", ICLR 2018, arXiv 1705.07204,
        eq. 7.

    Example:
        >>> RFGSM().share
        0.5
    """

    share: float = 0.5
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("RFGSM.share", self.share)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x, budget = oracle.x, oracle.budget
        start = budget.scaled(self.share).edge(x, generator)
        _, gradient = oracle.gradient(start, self.objective)
        return budget.project(budget.ascend(start, x, gradient, 1 - self.share), x)

"""MIFGSM: steps along the direction in which gradients of equal size add up over the steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..budget import unit_mean
from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search, check_not_negative, check_positive


@dataclass(frozen=True, kw_only=True)
class MIFGSM(Search):
    """z <- project(z + step * steepest(m)) from x, with m <- decay * m + gradient / mean |gradient|.

    Args:
        steps: gradients taken, at least 1.
        relative_step: length of a step as a share of eps; None for 1 / steps, with which no step goes back.
        decay: of the gradients before, at least 0; 0 is PGD from x (BIM).
        objective: what to make large.

    Source: Dong et al. 2018, "Boosting Adversarial Attacks with Momentum", CVPR 2018, arXiv 1710.06081, algorithm 1.
        Differs: the mean of |gradient| instead of the sum, which changes m by a factor that its sign does not see.

    Example:
        >>> MIFGSM(steps=10).step
        0.1
    """

    steps: int = 10
    relative_step: float | None = None
    decay: float = 1.0
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("MIFGSM.steps", self.steps, least=1)
        if self.relative_step is not None:
            check_positive("MIFGSM.relative_step", self.relative_step, "a number above 0, or None")
        check_not_negative("MIFGSM.decay", self.decay)

    @property
    def step(self) -> float:
        """Length of a step as a share of eps."""
        return 1 / self.steps if self.relative_step is None else self.relative_step

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x, budget = oracle.x, oracle.budget
        z, momentum = x, torch.zeros_like(x)
        for _ in range(self.steps):
            _, gradient = oracle.gradient(z, self.objective)
            momentum = self.decay * momentum + unit_mean(gradient)
            z = budget.project(budget.ascend(z, x, momentum, self.step), x)
        return z

"""PGD: many small steps along the steepest direction, each projected back into the budget."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search, check_positive, check_share


@dataclass(frozen=True, kw_only=True)
class PGD(Search):
    """z <- project(ascend(z, gradient at z)), for a norm z + step * steepest(gradient); from a random start.

    Args:
        steps: gradients taken, at least 1.
        relative_step: length of a step as a share of eps; None for 2.5 / steps.
        start: share of eps from which the start is drawn, 0..1; 0 begins at x, which is BIM.
        objective: what to make large.

    BIM, the basic iterative method, is `PGD(start=0.0)`.

    Source: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        arXiv 1706.06083, section 2.1.

    Example:
        >>> PGD(steps=10).step
        0.25
    """

    steps: int = 10
    relative_step: float | None = None
    start: float = 1.0
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("PGD.steps", self.steps, least=1)
        check_share("PGD.start", self.start)
        if self.relative_step is not None:
            check_positive("PGD.relative_step", self.relative_step, "a number above 0, or None")

    @property
    def step(self) -> float:
        """Length of a step as a share of eps."""
        return 2.5 / self.steps if self.relative_step is None else self.relative_step

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x, budget = oracle.x, oracle.budget
        z = budget.project(x + self.start * (budget.sample(x, generator) - x), x) if self.start else x
        for _ in range(self.steps):
            _, gradient = oracle.gradient(z, self.objective)
            z = budget.project(budget.ascend(z, x, gradient, self.step), x)
        return z

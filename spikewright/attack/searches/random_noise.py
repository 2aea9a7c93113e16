"""RandomNoise: perturbations of full size that know nothing of the network, with which attacks are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..budget import Budget, per_sample
from ..event_budget import EventBudget
from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search


@dataclass(frozen=True, kw_only=True)
class RandomNoise(Search):
    """The worst of some draws of full size: x + eps * r with r uniform on {-1, 1}^d for Linf, on the sphere for
    L2; for budgets of events as many random changes as allowed.

    It has the norm of a sign step. Noise that is uniform in the cube is shorter by sqrt(3), and a comparison with it
    flatters the attack.

    Args:
        draws: per sample, at least 1.
        objective: what makes one draw worse than another.

    Source: Liu et al. 2024, "Enhancing Adversarial Robustness in SNNs with Sparse Gradients", ICML 2024,
        arXiv 2405.20355, random vulnerability. Differs: of the norm of the attack it is compared with.

    Example:
        >>> RandomNoise().draws
        5
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (Budget, EventBudget)
    draws: int = 5
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("RandomNoise.draws", self.draws, least=1)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        worst = z = oracle.budget.edge(oracle.x, generator)
        largest = oracle.loss(z, self.objective)
        for _ in range(self.draws - 1):
            z = oracle.budget.edge(oracle.x, generator)
            value = oracle.loss(z, self.objective)
            worst = torch.where(per_sample(value > largest, z), z, worst)
            largest = torch.maximum(value, largest)
        return worst

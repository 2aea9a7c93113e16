"""FGSM: one step of full size along the steepest direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search


@dataclass(frozen=True, kw_only=True)
class FGSM(Search):
    """z = project(ascend(x, gradient at x)), for a norm x + eps * steepest(gradient).

    Args:
        objective: what to make large.

    Source: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", ICLR 2015,
        arXiv 1412.6572, section 4.

    Example:
        >>> FGSM().objective.__name__
        'cross_entropy'
    """

    objective: Objective = cross_entropy

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        _, gradient = oracle.gradient(oracle.x, self.objective)
        return oracle.budget.project(oracle.budget.ascend(oracle.x, oracle.x, gradient, 1.0), oracle.x)

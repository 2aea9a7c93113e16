"""CW: the shortest perturbation whose margin is positive, by gradient descent on length and margin together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..budget import Budget, per_sample
from ..budgets.l2 import L2
from ..objective import margin
from ..oracle import Oracle
from ..search import Search, check_not_negative, check_positive

DECAYS = (0.9, 0.999)
"""Adam's, of the running means of gradient and squared gradient."""


@dataclass(frozen=True, kw_only=True)
class CW(Search):
    """Make |z - x|^2 + c * max(-margin(z), -confidence) small within low..high; c is searched per sample.

    Adam steps; after each round c is lowered where the margin was reached and raised where it was not: to the middle of
    its bounds, or tenfold as long as it was never reached. The range is kept by cutting after each step, so that values
    of exactly low or high move like any others. The eps of the budget is not used: it judges what was found. Where
    nothing was, x is proposed.

    Args:
        steps: gradients per round, at least 1.
        rounds: values of c tried, at least 1.
        weight: first c, above 0; a small one finds shorter perturbations and takes more rounds.
        rate: length of the first steps, in the unit of the values, above 0.
        confidence: margin to reach, at least 0.

    Source: Carlini and Wagner 2017, "Towards Evaluating the Robustness of Neural Networks", IEEE S&P 2017,
        arXiv 1608.04644, sections V and VI (L2, objective f6).
        Differs: cut to the range instead of tanh, whose start is infinite at exact ends of the range; fewer and larger
        steps, from c = 1 instead of 0.001.

    Example:
        >>> CW().rounds
        5
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (L2,)
    refines: ClassVar[bool] = True
    steps: int = 50
    rounds: int = 5
    weight: float = 1.0
    rate: float = 0.01
    confidence: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("CW.steps", self.steps, least=1)
        check_whole("CW.rounds", self.rounds, least=1)
        check_positive("CW.weight", self.weight)
        check_positive("CW.rate", self.rate)
        check_not_negative("CW.confidence", self.confidence)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x = oracle.x
        weight = torch.full((len(x),), self.weight, dtype=x.dtype, device=x.device)
        low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
        shortest, best = torch.full_like(weight, torch.inf), x
        for _ in range(self.rounds):
            found, lengths = self._descend(oracle, weight)
            reached = lengths < torch.inf
            shorter = lengths < shortest
            best, shortest = torch.where(per_sample(shorter, x), found, best), torch.minimum(lengths, shortest)
            high, low = torch.where(reached, weight, high), torch.where(reached, low, weight)
            weight = torch.where(high < torch.inf, (low + high) / 2, 10 * weight)
        return best

    def _descend(self, oracle: Oracle, weight: Tensor) -> tuple[Tensor, Tensor]:
        """One round: the shortest success of each sample, and its length, infinite where there is none."""
        x, budget = oracle.x, oracle.budget
        z, found, lengths = x, x, torch.full_like(weight, torch.inf)
        mean = square = torch.zeros_like(x)
        for taken in range(1, self.steps + 1):
            value, gradient = oracle.gradient(z, margin)
            length = (z - x).flatten(1).norm(dim=1)
            new = (value > 0) & (value >= self.confidence) & (length < lengths)
            found, lengths = torch.where(per_sample(new, z), z, found), torch.where(new, length, lengths)
            pull = per_sample(torch.where(value <= self.confidence, weight, 0.0), z)
            slope = 2 * (z - x) - pull * gradient
            mean = DECAYS[0] * mean + (1 - DECAYS[0]) * slope
            square = DECAYS[1] * square + (1 - DECAYS[1]) * slope.square()
            first, second = mean / (1 - DECAYS[0] ** taken), square / (1 - DECAYS[1] ** taken)
            z = budget.within(z - self.rate * first / (second.sqrt() + 1e-8), x)
        return found, lengths

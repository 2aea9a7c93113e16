"""APGD: PGD with momentum whose step length halves where it no longer pays, and which goes back to its best point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..budget import Budget, per_sample
from ..budgets.l2 import L2
from ..budgets.linf import Linf
from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search, check_share

MOMENTUM = 0.75
"""Weight of a step; what is left is that of the step before."""

RISES = 0.75
"""Share of an interval's steps that must raise the value for the step length to stay."""


def check_steps(steps: int) -> list[int]:
    """After how many steps the step length is judged: intervals begin at 22 % and shrink by 3 % down to 6 %.

    Source: Croce and Hein 2020 (see `APGD`), section 3.1.

    Example:
        >>> check_steps(100)
        [22, 41, 57, 70, 80, 87, 93, 99]
    """
    interval, shorter, least = (max(int(share * steps), 1) for share in (0.22, 0.03, 0.06))
    checks = [interval]
    while checks[-1] + (interval := max(interval - shorter, least)) <= steps:
        checks.append(checks[-1] + interval)
    return checks


def momentum_step(
    z: Tensor, before: Tensor, x: Tensor, gradient: Tensor, *, length: Tensor, weight: float, budget: Budget
) -> Tensor:
    """One step up, which goes on a little in the direction of the step before.

        a = project(z + length * steepest(gradient))
        z' = project(z + weight * (a - z) + (1 - weight) * (z - before))

    Args:
        z: where the search is, [N, ...].
        before: where it was a step earlier.
        x: the clean batch.
        gradient: at z.
        length: of the step of each sample, [N], in the unit of the budget.
        weight: of this step, 0..1.
        budget: around x.

    Source: Croce and Hein 2020 (see `APGD`), eq. 3.

    Example:
        >>> z, one = torch.tensor([[0.5]]), torch.ones(1, 1)
        >>> momentum_step(z, z - 0.1, z, one, length=torch.tensor([0.2]), weight=0.75, budget=Linf(eps=0.5))
        tensor([[0.6750]])
    """
    ahead = budget.project(z + per_sample(length, z) * budget.steepest(gradient), x)
    return budget.project(z + (ahead - z) * weight + (z - before) * (1 - weight), x)


class HalvedSteps:
    """Step lengths of a batch, halved sample by sample at the checks.

    At a check a length is halved where the value rose in at most 75 % of the interval's steps, or where the length was
    not halved at the check before and the best value has not improved since.

    Args:
        first: length of the first step, in the unit of the budget.
        best: value at the start of each sample, [N].
    """

    def __init__(self, first: float, best: Tensor) -> None:
        self.length = torch.full_like(best, first)
        self._best, self._halved = best, torch.ones_like(best, dtype=torch.bool)
        self._value, self._rises, self._steps = torch.zeros_like(best), torch.zeros_like(best), 0

    def after_step(self, value: Tensor) -> None:
        """Take note of the values that a step has led to, [N]."""
        self._rises, self._value = self._rises + (value > self._value), value
        self._steps += 1

    def check(self, best: Tensor) -> Tensor:
        """Halve where it is due, given the best values so far, [N]; where that was, [N]."""
        idle = ~self._halved & (best <= self._best)
        self._halved = (self._rises <= RISES * self._steps) | idle
        self.length = torch.where(self._halved, self.length / 2, self.length)
        self._best, self._rises, self._steps = best, torch.zeros_like(best), 0
        return self._halved


@dataclass(frozen=True, kw_only=True)
class APGD(Search):
    """`momentum_step` from a length of 2 eps on; where `check_steps` halve it, it goes on from the best point so far.

    There is no step length to choose. `dlr` as objective cannot be fooled by the scale of the logits.

    Args:
        steps: taken, at least 1; one gradient more is needed.
        start: share of eps at which the start lies, in a random direction, 0..1; 0 begins at x.
        objective: what to make large.

    Source: Croce and Hein 2020, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
        Parameter-free Attacks", ICML 2020, arXiv 2003.01690, algorithm 1; the authors' code,
        github.com/fra31/auto-attack, a392200.
        Differs: as in that code, not in the paper, the first step counts as a rise if its value is above 0. The point
        with the best value is proposed; that code returns the last point that was misclassified.

    Example:
        >>> APGD().steps
        100
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (Linf, L2)
    steps: int = 100
    start: float = 1.0
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("APGD.steps", self.steps, least=1)
        check_share("APGD.start", self.start)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        return self.search_from(random_at(oracle.x, oracle.budget, self.start, generator), oracle)

    def search_from(self, start: Tensor, oracle: Oracle) -> Tensor:
        """The search from a given start, [N, ...], within low..high; the point with the best value."""
        x, budget, checks = oracle.x, oracle.budget, set(check_steps(self.steps))
        z = before = best = budget.within(start, x)
        value, gradient = oracle.gradient(z, self.objective)
        best_value, best_gradient, halved_steps = value, gradient, HalvedSteps(2 * budget.eps, value)
        for taken in range(1, self.steps + 1):
            weight = MOMENTUM if taken > 1 else 1.0
            ahead = momentum_step(z, before, x, gradient, length=halved_steps.length, weight=weight, budget=budget)
            z, before = ahead, z
            value, gradient = oracle.gradient(z, self.objective)
            better = per_sample(value > best_value, z)
            best, best_gradient = torch.where(better, z, best), torch.where(better, gradient, best_gradient)
            best_value = torch.maximum(value, best_value)
            halved_steps.after_step(value)
            if taken in checks:
                back = per_sample(halved_steps.check(best_value), z)
                z, gradient = torch.where(back, best, z), torch.where(back, best_gradient, gradient)
        return best


def random_at(x: Tensor, budget: Budget, share: float, generator: torch.Generator) -> Tensor:
    """A random direction as the budget samples it, at a share of eps before low and high cut it."""
    free = replace(budget, eps=1.0, low=-torch.inf, high=torch.inf)
    centre = torch.zeros_like(x)
    direction = free.sample(centre, generator)
    length = budget.distance(direction, centre)
    scale = share * budget.eps / torch.where(length > 0, length, 1.0)
    return budget.within(x + per_sample(scale, x) * direction, x)

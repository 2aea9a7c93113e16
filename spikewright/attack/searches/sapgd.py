"""SAPGD: steps scaled value by value by running means of gradient and squared gradient, halved on a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ..budget import Budget, unit_mean
from ..budgets.linf import Linf
from ..objective import Objective, cross_entropy
from ..oracle import Oracle
from ..search import Search, check_share
from .apgd import check_steps

MEAN_DECAY, SQUARE_DECAY = 0.5, 0.8


def adaptive_step(mean: Tensor, square: Tensor, gradient: Tensor, *, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Running means of a gradient, and the change of each value that follows from them.

        m' = 0.5 m + g / mean|g|      v' = 0.8 v + g^2 / mean(g^2)      change = clip(step * m' / sqrt(v'), -step, step)

    Args:
        mean: m, [N, ...].
        square: v, likewise.
        gradient: g.
        step: largest change.

    Returns:
        m', v' and the change; where no gradient ever was the change is 0.

    Source: see `SAPGD`.

    Example:
        >>> zero = torch.zeros(1, 2)
        >>> adaptive_step(zero, zero, torch.tensor([[3.0, -1.0]]), step=0.1)[2]
        tensor([[ 0.1000, -0.1000]])
    """
    unit = unit_mean(gradient)  # first, as squares of small gradients would be 0
    mean = MEAN_DECAY * mean + unit
    square = SQUARE_DECAY * square + unit_mean(unit.square())
    change = step * mean / torch.where(square > 0, square, 1.0).sqrt()
    return mean, square, change.clamp(-step, step)


@dataclass(frozen=True, kw_only=True)
class SAPGD(Search):
    """z <- project(z + change) by `adaptive_step`; the step begins at eps and halves for all samples at `check_steps`.

    Args:
        steps: gradients taken, at least 1.
        start: share of eps from which the start is drawn, 0..1; 0 begins at x.
        objective: what to make large.

    Source: "Towards Reliable Evaluation of Adversarial Robustness for Spiking Neural Networks", CVPR 2026; the authors'
        evaluation code, deee10c.

    Example:
        >>> SAPGD().steps
        100
    """

    takes: ClassVar[tuple[type[Budget], ...]] = (Linf,)
    steps: int = 100
    start: float = 1.0
    objective: Objective = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("SAPGD.steps", self.steps, least=1)
        check_share("SAPGD.start", self.start)

    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        x, budget, checks = oracle.x, oracle.budget, set(check_steps(self.steps))
        z = budget.project(x + self.start * (budget.sample(x, generator) - x), x) if self.start else x
        mean = square = torch.zeros_like(x)
        step = budget.eps
        for taken in range(1, self.steps + 1):
            _, gradient = oracle.gradient(z, self.objective)
            mean, square, change = adaptive_step(mean, square, gradient, step=step)
            z = budget.project(z + change, x)
            step = step / 2 if taken in checks else step
        return z

"""Search: how an adversarial input is looked for; it proposes, and the harness projects and judges."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from .budget import Budget
from .oracle import Oracle


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """Hyper-parameters of an attack's search, whatever the gradient rule, and whatever the budget if it can."""

    takes: ClassVar[tuple[type[Budget], ...]] = (Budget,)
    """The kinds of budget for which the search is defined; discrete ones only where it names a discrete kind."""

    refines: ClassVar[bool] = False
    """Whether it goes on after a success, to come nearer; others need not ask about a sample again."""

    def __post_init__(self) -> None:
        if not callable(getattr(self, "objective", len)):
            met, todo = repr(vars(self)["objective"]), "OBJECTIVES of spikewright.attack has them by name"
            raise ArgumentError(
                sentence(f"{type(self).__name__}.objective", met, "a function, e.g. cross_entropy", todo)
            )

    def check_budget(self, budget: Budget) -> None:
        """Raise ArgumentError if the search is not defined for such a budget."""
        alike = budget.discrete in {kind.discrete for kind in self.takes}
        if not (isinstance(budget, self.takes) and alike):
            allowed = " or ".join("a norm" if kind is Budget else kind.__name__ for kind in self.takes)
            todo = "GreedyEvents takes every budget of events" if budget.discrete else "PGD takes every norm"
            raise ArgumentError(sentence(type(self).__name__, f"a budget {type(budget).__name__}", allowed, todo))

    @abstractmethod
    def search(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """Propose an input for each sample of the oracle's batch.

        Args:
            oracle: answers and gradients of the network; holds the batch `x` and the `budget`.
            generator: the only source of random numbers.

        Returns:
            [N, ...] like `oracle.x`. The harness projects it, and prefers what reached the goal on the way.
        """


def check_share(who: str, value: object) -> None:
    """Raise ArgumentError unless it is a share of the budget, 0..1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ArgumentError(sentence(who, repr(value), "a share of eps, 0..1"))


def check_not_negative(who: str, value: object) -> None:
    """Raise ArgumentError unless it is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise ArgumentError(sentence(who, repr(value), "a number of at least 0"))


def check_positive(who: str, value: object, allowed: str = "a number above 0") -> None:
    """Raise ArgumentError unless it is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ArgumentError(sentence(who, repr(value), allowed))

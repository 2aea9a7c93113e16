"""Statistic: what to measure of an activation, over which values together; At: and at which sites."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...core.arguments import named
from ...core.errors import ArgumentError, sentence
from ..operations import Site

Groups = Callable[[Tensor], Tensor]
"""Activation [N, *F] -> values [G, ...], a view: which values share one number."""


def per_layer(a: Tensor) -> Tensor:
    """All values of a layer together: [N, *F] -> [1, N, *F]."""
    return a.unsqueeze(0)


def per_channel(a: Tensor) -> Tensor:
    """The values of each channel (axis 1) together: [N, C, ...] -> [C, N, ...]."""
    return a.transpose(0, 1)


class Measure(ABC):
    """A running measurement over batches."""

    @abstractmethod
    def update(self, values: Tensor) -> None:
        """Take in the finite float32 values [G, ...] of one batch; those below 0 count as 0."""

    @abstractmethod
    def result(self) -> Tensor:
        """The statistic of each group, [G]."""


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC):
    """What to measure of the activation at a site.

    Args:
        groups: `per_layer` or `per_channel`.
    """

    groups: Groups = per_layer

    @abstractmethod
    def begin(self, who: str, samples: int | None = None) -> Measure:
        """A new measurement.

        Args:
            who: name of the site.
            samples: how many samples will come at most, or None where nobody knows.
        """


def check_statistic(statistic: object, who: str) -> None:
    """Raise ArgumentError unless it is a statistic: an object, not its class, its name or its number."""
    if not isinstance(statistic, Statistic):
        allowed = "a statistic, e.g. Percentile(percentile=99.9) or Maximum()"
        raise ArgumentError(sentence(who, named(statistic), allowed))


@dataclass(frozen=True)
class At:
    """Which statistic to take at which sites."""

    matches: Callable[[Site], bool]
    statistic: Statistic


def at(matches: Callable[[Site], bool], statistic: Statistic) -> tuple[At, ...]:
    """A recipe's answer to "what shall be measured where"."""
    return (At(matches, statistic),)

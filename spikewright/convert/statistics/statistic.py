"""Statistic: what to measure of an activation, over which values together; At: and at which sites."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, fx

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

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = ", ".join(f"{name}={getattr(value, '__name__', repr(value))}" for name, value in values.items())
        return f"{type(self).__name__}({given})"

    @abstractmethod
    def begin(self, who: str) -> Measure:
        """A new measurement at the site of that name."""


def check_statistic(statistic: object, who: str) -> None:
    """Raise ArgumentError unless it is a statistic: an object, not its class, its name or its number."""
    if not isinstance(statistic, Statistic):
        allowed = "a statistic, e.g. Percentile(percentile=99.9) or Maximum()"
        raise ArgumentError(sentence(who, named(statistic), allowed))


Reading = Callable[[Site], tuple[fx.Node, Callable[[Tensor], Tensor]]]
"""A site -> the node whose output is measured, and the values that are taken from it; those below 0 count as 0."""


def positive_output(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gives, where it is above 0."""
    return site.node, lambda a: a


def size_of_input(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gets, of either sign."""
    return site.node.all_input_nodes[0], torch.abs


@dataclass(frozen=True)
class At:
    """Which statistic to take at which sites, and of what."""

    matches: Callable[[Site], bool]
    statistic: Statistic
    reading: Reading = positive_output


def at(matches: Callable[[Site], bool], statistic: Statistic) -> tuple[At, ...]:
    """A recipe's answer to "what shall be measured where"."""
    return (At(matches, statistic),)

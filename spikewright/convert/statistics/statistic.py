"""Statistic: what to measure of an activation, over which values together; At: and at which sites."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor, fx

from ...core.arguments import named
from ...core.errors import ArgumentError, DataError, sentence
from ...core.processes import Processes
from ..operations import Site
from .groups import GROUPS, Groups, per_layer

Reading = Callable[[Site], tuple[fx.Node, Callable[[Tensor], Tensor]]]
"""A site -> the node whose output is measured, and the values that are taken from it."""


def positive_output(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gives, where it is above 0."""
    return site.node, lambda a: a


def size_of_input(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gets, of either sign."""
    return site.node.all_input_nodes[0], torch.abs


def signed_input(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gets, with its sign."""
    return site.node.all_input_nodes[0], lambda a: a


def broken_values(who: str) -> DataError:
    """The error about a site whose activations are not finite."""
    return DataError(f"calibration: {who} holds NaN or infinite values; the input or the weights are broken.")


class Measure(ABC):
    """A running measurement over batches."""

    refuses_broken: ClassVar[bool] = False
    """Whether `update` itself raises `broken_values` at a value that is not finite; otherwise it never gets one."""

    @abstractmethod
    def update(self, values: Tensor) -> None:
        """Take in the float32 values [G, ...] of one batch, as the statistic's `reading` gives them.

        A statistic of sizes counts those below 0 as 0.
        """

    def merge(self, processes: Processes) -> None:
        """Take in what the other processes have measured; afterwards all of them hold the same.

        Raises:
            ArgumentError: unless the measurement says how.
        """
        who, todo = type(self).__name__, "Give it a method merge(processes), or calibrate in one process"
        raise ArgumentError(sentence(who, f"values of {processes.world_size} processes", "those of one", todo))

    @abstractmethod
    def result(self) -> Tensor:
        """The statistic of each group, [G]; 0 for a group that is never active."""


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC):
    """What to measure of the activation at a site.

    Args:
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`.
    """

    groups: Groups = per_layer

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = ", ".join(f"{name}={value!r}" for name, value in values.items() if value is not None)
        return f"{type(self).__name__}({given})"

    @abstractmethod
    def begin(self, who: str) -> Measure:
        """A new measurement at the site of that name."""

    def reading(self, site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
        """What is measured at a site, see `Reading`; a statistic of inputs says so here."""
        return positive_output(site)


def check_statistic(statistic: object, who: str) -> None:
    """Raise ArgumentError unless it is a statistic: an object, not its class, its name or its number."""
    if not isinstance(statistic, Statistic):
        allowed = "a statistic, e.g. Percentile(percentile=99.9) or Maximum()"
        raise ArgumentError(sentence(who, named(statistic), allowed))
    if not isinstance(statistic.groups, Groups):
        met, allowed = named(statistic.groups), f"one of {', '.join(GROUPS)}"
        raise ArgumentError(sentence(f"{type(statistic).__name__}.groups", met, allowed))


@dataclass(frozen=True)
class At:
    """Which statistic to take at which sites.

    Args:
        matches: whether a site is one of them.
        statistic: what to measure there.
        reading: of what; by default as the statistic says.
    """

    matches: Callable[[Site], bool]
    statistic: Statistic
    reading: Reading | None = None

    def values(self, site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
        """The node whose output is measured at a site, and the values that are taken from it."""
        return (self.reading or self.statistic.reading)(site)


def at(matches: Callable[[Site], bool], statistic: Statistic) -> tuple[At, ...]:
    """A recipe's answer to "what shall be measured where"."""
    return (At(matches, statistic),)

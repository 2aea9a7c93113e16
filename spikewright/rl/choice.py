"""Which actor is trained, as a value: its neurons and sizes; what runs and files name it by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence
from .actor import NEURONS, OrdinaryActor, Space, SpikingActor


@dataclass(frozen=True, kw_only=True)
class ActorChoice(ABC):
    """An actor for any task, before its observations and actions are known."""

    hidden: tuple[int, ...] = (256, 256)

    label: ClassVar[str] = ""
    """What tables call it."""

    def __post_init__(self) -> None:
        if not self.hidden:
            todo = "Give its sizes, e.g. 256,256"
            raise ArgumentError(sentence(f"{type(self).__name__}.hidden", "none", "at least one layer", todo))
        for width in self.hidden:
            check_whole(f"{type(self).__name__}.hidden", width, least=1)

    @abstractmethod
    def build(self, space: Space) -> nn.Module:
        """A fresh actor for a task."""

    def widths(self, space: Space) -> tuple[int, ...]:
        """Inputs of its first linear layer, and outputs of each."""
        return (space.observations, *self.hidden, space.actions)


@dataclass(frozen=True, kw_only=True)
class SpikingChoice(ActorChoice):
    """A spiking actor with neurons of one kind.

    Args:
        hidden: neurons of each hidden layer.
        timesteps: T of one decision.
        population: neurons of each observation and of each action.
    """

    timesteps: int = 5
    population: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(f"{type(self).__name__}.timesteps", self.timesteps, least=1)
        check_whole(f"{type(self).__name__}.population", self.population, least=2)

    def build(self, space: Space) -> nn.Module:
        return SpikingActor(
            space, NEURONS[self.label], timesteps=self.timesteps, population=self.population, hidden=self.hidden
        )

    def widths(self, space: Space) -> tuple[int, ...]:
        return (space.observations * self.population, *self.hidden, space.actions * self.population)


@dataclass(frozen=True, kw_only=True)
class LIFChoice(SpikingChoice):
    """Leaky neurons without a current of their own.

    Args:
        hidden: neurons of each hidden layer.
        timesteps: T of one decision.
        population: neurons of each observation and of each action.
    """

    label = "LIF"


@dataclass(frozen=True, kw_only=True)
class CLIFChoice(SpikingChoice):
    """Leaky neurons behind a current that lasts.

    Args:
        hidden: neurons of each hidden layer.
        timesteps: T of one decision.
        population: neurons of each observation and of each action.
    """

    label = "CLIF"


@dataclass(frozen=True, kw_only=True)
class DNChoice(SpikingChoice):
    """Dynamic neurons, of second order.

    Args:
        hidden: neurons of each hidden layer.
        timesteps: T of one decision.
        population: neurons of each observation and of each action.
    """

    label = "DN"


@dataclass(frozen=True, kw_only=True)
class OrdinaryChoice(ActorChoice):
    """Linear layers and ReLU, no spikes.

    Args:
        hidden: units of each hidden layer.
    """

    label = "ANN"

    def build(self, space: Space) -> nn.Module:
        return OrdinaryActor(space, hidden=self.hidden)


ACTORS: dict[str, type[ActorChoice]] = {
    "LIF": LIFChoice,
    "CLIF": CLIFChoice,
    "DN": DNChoice,
    "ordinary": OrdinaryChoice,
}
"""Actors by the names that flags and files have for them."""

"""LevelStatistic: a statistic that asks what the neuron can say, so that a recipe can tell it its neuron's levels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...core.errors import ArgumentError, sentence
from .levels import Levels
from .statistic import Statistic


@dataclass(frozen=True, kw_only=True, repr=False)
class LevelStatistic(Statistic):
    """A threshold that is best for a number of time steps and for what the neuron can say in them.

    A recipe whose neuron is no plain IF neuron binds its levels: `dataclasses.replace(statistic, levels=...)`, unless
    they are given.

    Args:
        timesteps: T, the number of time steps that the network is to be run for; more steps allow a higher
            threshold. 8 is the low-latency case in which the trade matters most.
        levels: what the neuron can say in them; none for those of an IF neuron, 0..T, or for the recipe to choose.
    """

    timesteps: int = 8
    levels: Levels | None = None

    def __post_init__(self) -> None:
        who = type(self).__name__
        if isinstance(self.timesteps, bool) or not isinstance(self.timesteps, int) or self.timesteps < 1:
            raise ArgumentError(
                sentence(
                    f"{who}.timesteps",
                    repr(self.timesteps),
                    "a whole number of at least 1",
                    "Give the number of time steps that the network is to be run for",
                )
            )
        if not isinstance(self.levels, Levels | None):
            raise ArgumentError(
                sentence(f"{who}.levels", repr(self.levels), "Levels(density, lowest, highest) or None")
            )

    @property
    def said(self) -> Levels:
        """The levels, given or those of an IF neuron."""
        return Levels.of_if(self.timesteps) if self.levels is None else self.levels

    def mirrored(self) -> LevelStatistic:
        """The same statistic for a neuron that says as much below 0 as above."""
        return replace(self, levels=self.said.mirrored())

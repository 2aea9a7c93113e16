"""returns(actor, task): undiscounted returns of whole episodes without noise; Arena: the same again and again."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..core.arguments import check_module, check_whole
from ..core.device import device_of
from ..core.evaluating import evaluating
from .env import Episode
from .recorded import Acting

TOGETHER = 10
"""Episodes that are played side by side, so that the actor is called once for all."""


def returns(actor: nn.Module, task: str, *, episodes: int = 10, seed: int = 100) -> list[float]:
    """Play whole episodes with the actor's own actions, several side by side; each has a seed by its number.

    Args:
        actor: observations [N, D] -> actions [N, A], on the CPU or a CUDA device.
        task: id of the environment.
        episodes: how many.
        seed: of the episodes; another one than that of the training.

    Returns:
        The sum of rewards of each episode.

    Raises:
        ArgumentError: for an unknown task, or another number than at least one episode.
    """
    check_module(actor, "returns.actor", "The order is actor, task")
    check_whole("returns.episodes", episodes, least=1)
    return Arena(actor, task, episodes=episodes, seed=seed).returns()


class Arena:
    """Environments in which an actor is judged; they are kept from judgement to judgement, as is what was recorded.

    Args:
        actor, task, episodes, seed: see `returns`.
    """

    def __init__(self, actor: nn.Module, task: str, *, episodes: int, seed: int) -> None:
        self.actor, self.number = actor, episodes
        self.places = [Episode(task, seed, most_breakdowns=0) for _ in range(min(episodes, TOGETHER))]
        shape = len(self.places), self.places[0].space.observations
        self.x = np.zeros(shape, np.float32)
        self.acting = Acting([actor], *shape, device_of(actor))

    def returns(self) -> list[float]:
        """The sum of rewards of each episode, with the actor as it is now."""
        found: dict[int, float] = {}
        running = {place: self._begun(place, place) for place in range(len(self.places))}
        begun = len(running)
        with evaluating(self.actor):
            while running:
                for place in running:
                    self.x[place] = self.places[place].x
                actions = self.acting({0: self.x})[0].astype(np.float64)
                for place, number in list(running.items()):
                    step = self.places[place].step(actions[place])
                    if step is None or not step[-1]:
                        continue
                    found[number] = self.places[place].total
                    del running[place]
                    if begun < self.number:
                        running[place] = self._begun(place, begun)
                        begun += 1
        return [found[number] for number in range(self.number)]

    def _begun(self, place: int, number: int) -> int:
        self.places[place].number = number
        self.places[place].begin()
        return number

"""drive(): trainings go on side by side, step by step; actions and updates of all are computed together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from .recorded import Acting, Updates
from .training import Training

Numbers = dict[int, dict[str, Tensor]]


def drive(
    trainings: Sequence[Training], paths: Sequence[Path | None], logs: Sequence[Callable[..., None]], until: float
) -> None:
    """Go on to the end of all, or until a time of the monotonic clock; those that lag behind catch up first.

    Args:
        trainings: with the same settings but the seed.
        paths: where each keeps its checkpoint, or None.
        logs: called with the named numbers of each judgement.
        until: when to stop with checkpoints written.
    """
    for training, log in zip(trainings, logs):
        if not training.judgements:
            training.judge(log)
    clocks = [_Clock(training) for training in trainings]
    step = _Step(trainings)
    while going := [n for n, training in enumerate(trainings) if training.step < training.config.steps]:
        late = time.monotonic() > until
        for n in going:
            clocks[n].save(paths[n], now=late)
        if late:
            return
        least = min(trainings[n].step for n in going)
        group = [n for n in going if trainings[n].step == least]
        step(group)
        for n in group:
            training = trainings[n]
            if training.step % training.config.evaluate_every < training.config.environments:
                clocks[n].set()
                training.judge(logs[n], **step.numbers.get(n, {}))
            if training.step >= training.config.steps:
                clocks[n].save(paths[n], now=True)


class _Clock:
    """The seconds that a training has taken, and when it was saved last."""

    def __init__(self, training: Training) -> None:
        self.training, self.saved = training, training.step
        self.before, self.began = training.seconds, time.monotonic()

    def set(self) -> None:
        self.training.seconds = self.before + time.monotonic() - self.began

    def save(self, path: Path | None, *, now: bool) -> None:
        """Write a checkpoint, if there is a place for it and it is time."""
        if now:
            self.set()
        if path is None or not (now or self.training.step - self.saved >= self.training.config.checkpoint_every):
            return
        self.set()
        self.saved = self.training.step
        self.training.save(path)


class _Step:
    """One step of every environment of some trainings, and as many updates once their random steps are over."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        first = trainings[0]
        shape = (len(first.episodes), first.episodes[0].space.observations)
        self.acting = Acting([training.actor for training in trainings], *shape, first.device)
        self.updates = Updates([training.part for training in trainings], first.algorithm.batch, first.device)
        self.numbers: Numbers = {}
        """Number of a training -> what its last update has to log."""

    def __call__(self, group: Sequence[int]) -> None:
        actions = self.actions(group)
        for number in range(len(self.trainings[0].episodes)):
            due = [n for n in group if self.trainings[n].take(number, actions[n][number])]
            if due:
                self.numbers |= self.updates(due)

    def actions(self, group: Sequence[int]) -> dict[int, np.ndarray]:
        """Actions [E, A] of each training of a group."""
        seen = {n: self.trainings[n].seen() for n in group if not self.trainings[n].is_random}
        found = {n: self.trainings[n].explored(action) for n, action in self.acting(seen).items()}
        return found | {n: self.trainings[n].random_actions() for n in group if n not in found}

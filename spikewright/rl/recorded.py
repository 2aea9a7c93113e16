"""Updates: those of several learners at the same time, on a GPU as branches of one recorded graph; Acting: the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.errors import DataError, sentence
from .algorithm import Learner
from .branches import Branches
from .buffer import ReplayBuffer
from .staged import Shapes, Staged


class Part(NamedTuple):
    """A learner and what it draws from."""

    learner: Learner
    buffer: ReplayBuffer
    draws: np.random.Generator  # of the places of transitions
    noise: torch.Generator  # of the CPU


class Updates:
    """Updates of several learners, each from its own buffer, with the numbers that `Learner.update` would draw.

    What is drawn, and the newest transition, go to the device in one copy; all else happens there and is never waited
    for. On a CUDA device updates with and without the actor are recorded; see `Branches`. The learners' weights and
    optimisers must not be replaced afterwards, as `Learner.restore` does.

    Args:
        parts: the learners; their buffers are on the device.
        batch: transitions per batch.
        device: where all of it is.
    """

    def __init__(self, parts: Sequence[Part], batch: int, device: torch.device) -> None:
        self.parts, self.batch = parts, batch
        self.branches = Branches(len(parts), device)
        self._staged = Staged([shape for part in parts for shape in self._shapes(part)], device)

    def _shapes(self, part: Part) -> Shapes:
        noise = part.learner.noise(self.batch, torch.Generator())
        places = (part.learner.target.batches * self.batch,)
        row = (1, part.buffer.rows.shape[1])
        return [(torch.int64, places), (torch.int64, (1,)), (torch.float32, row), (noise.dtype, tuple(noise.shape))]

    def __call__(self, which: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        """One update of some of the learners: number of a learner -> its numbers to log, which the next one changes."""
        given: dict[int, Tensor] = {}
        for number in which:
            values = self._drawn(self.parts[number])
            given |= {_TENSORS * number + place: value for place, value in enumerate(values)}
        self._staged.fill(given)
        due = tuple((number, self.parts[number].learner.due) for number in which)
        made = self.branches(due, {number: self._work(number, with_actor) for number, with_actor in due})
        for number in which:
            self.parts[number].learner.updates += 1
        return made

    def _drawn(self, part: Part) -> tuple[Tensor, ...]:
        """Places of all batches, place and values of the newest row, noise."""
        buffer, learner = part.buffer, part.learner
        places = np.concatenate([buffer.draw(self.batch, part.draws) for _ in range(learner.target.batches)])
        if len(buffer.pending) > 1:
            buffer.flush()
        buffer.pending.clear()
        newest = (buffer.place - 1) % len(buffer.rows)  # the update brings it along; where it is old nothing changes
        row = torch.from_numpy(buffer.rows[newest : newest + 1])
        return torch.from_numpy(places), torch.tensor([newest]), row, learner.noise(self.batch, part.noise)

    def _work(self, number: int, with_actor: bool):
        part = self.parts[number]
        places, newest, row, noise = self._staged.tensors[_TENSORS * number : _TENSORS * (number + 1)]

        def work() -> dict[str, Tensor]:
            part.buffer.kept.index_copy_(0, newest, row)
            batches = [part.buffer.of(rows) for rows in part.buffer.kept.index_select(0, places).split(self.batch)]
            return part.learner.learn(batches, noise, with_actor=with_actor)

        return work


_TENSORS = 4
"""Staged for each learner."""


_TODO = "Its training diverged: begin one with smaller learning rates"
_DIVERGED = sentence("actor", "actions that are not finite", "finite ones", _TODO)


class Acting:
    """Several actors that act at the same time, each on as many observations; see `Branches`.

    Args:
        actors: observations [N, D] -> actions [N, A]; on the device.
        rows: N.
        observations: D.
        device: where they are.

    Example:
        >>> acting = Acting([nn.Identity()], 2, 3, torch.device("cpu"))
        >>> acting({0: np.ones((2, 3), np.float32)})[0].shape
        (2, 3)
    """

    def __init__(self, actors: Sequence[nn.Module], rows: int, observations: int, device: torch.device) -> None:
        self.actors = actors
        hooked = [
            part for actor in actors for part in actor.modules() if part._forward_hooks or part._forward_pre_hooks
        ]
        why_not = f"{type(hooked[0]).__name__} has a hook, which has to be called" if hooked else ""
        self.branches = Branches(len(actors), device, why_not)
        self._staged = Staged([(torch.float32, (rows, observations)) for _ in actors], device)

    @torch.no_grad()
    def __call__(self, observations: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Number of an actor -> observations [N, D] to its actions [N, A].

        Raises:
            DataError: for actions that are not finite; observations are, as `Episode` sees to.
        """
        if not observations:
            return {}
        self._staged.fill({number: torch.from_numpy(values) for number, values in observations.items()})
        try:
            made = self.branches(tuple(observations), {number: self._work(number) for number in observations})
            actions = torch.stack(list(made.values())).cpu().numpy()
        except DataError as error:  # of a layer that looks at its values
            raise DataError(_DIVERGED) from error
        if not np.isfinite(actions).all():
            raise DataError(_DIVERGED)
        return dict(zip(made, actions))

    def _work(self, number: int):
        return lambda: self.actors[number](self._staged.tensors[number])

"""ReplayBuffer: the last transitions of an environment, from which batches are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import CheckpointError, DataError, sentence


class Transitions(NamedTuple):
    """A batch of transitions."""

    x: Tensor  # observations, [N, D]
    action: Tensor  # [N, A]
    reward: Tensor  # [N]
    after: Tensor  # observations after the action, [N, D]
    goes_on: Tensor  # 0 where the episode truly ended, else 1, [N]


class ReplayBuffer:
    """A ring of transitions in float32; when it is full the oldest one goes.

    Args:
        capacity: how many are kept.
        observations, actions: numbers in an observation and in an action.
        device: where batches are made. `rows` stays on the host; a GPU has a copy, which gets new rows before a draw.

    Source: Lin 1992, "Self-Improving Reactive Agents Based on Reinforcement Learning, Planning and Teaching", Machine
        Learning 8.

    Example:
        >>> buffer = ReplayBuffer(2, 1, 1)
        >>> for value in range(3):
        ...     buffer.add([value], [0.0], 1.0, [value + 1], ended=False)
        >>> len(buffer), sorted(buffer.rows[:, 0].tolist())
        (2, [1.0, 2.0])
    """

    def __init__(self, capacity: int, observations: int, actions: int, device: torch.device | str = "cpu") -> None:
        check_whole("ReplayBuffer.capacity", capacity, least=1)
        self.sizes = (observations, actions, 1, observations, 1)
        self.rows = np.zeros((capacity, sum(self.sizes)), np.float32)
        self.place, self.filled = 0, 0
        self.device, self.pending = torch.device(device), []
        on_host = self.device.type == "cpu"
        self.kept = torch.from_numpy(self.rows) if on_host else torch.zeros(self.rows.shape, device=self.device)
        """The rows where batches are made: on the CPU they themselves."""

    def __len__(self) -> int:
        return self.filled

    def add(self, x, action, reward: float, after, *, ended: bool) -> None:
        """Keep one transition; `ended` only for a true end of the episode, not for a limit of time.

        Raises:
            DataError: for NaN or infinite numbers.
        """
        row = np.concatenate([np.ravel(part) for part in (x, action, reward, after, not ended)]).astype(np.float32)
        if not np.isfinite(row).all():
            met, todo = "NaN or infinite numbers in a transition", "Look at what the environment gives"
            raise DataError(sentence("ReplayBuffer.add", met, "finite numbers", todo))
        self.rows[self.place] = row
        if self.device.type != "cpu":
            self.pending.append(self.place)
        self.place = (self.place + 1) % len(self.rows)
        self.filled = min(self.filled + 1, len(self.rows))

    def sample(self, number: int, generator: np.random.Generator) -> Transitions:
        """Draw transitions, each as probable as every other, with repetition.

        Raises:
            DataError: if there is none yet.
        """
        self.flush()
        return self.of(self.kept[torch.from_numpy(self.draw(number, generator)).to(self.device)])

    def draw(self, number: int, generator: np.random.Generator) -> np.ndarray:
        """Places of transitions to learn from; the same numbers wherever batches are made.

        Raises:
            DataError: if there is none yet.
        """
        if not self.filled:
            raise DataError(sentence("ReplayBuffer.sample", "an empty buffer", "one with transitions"))
        return generator.integers(0, self.filled, number)

    def of(self, rows: Tensor) -> Transitions:
        """Rows [N, 2 * D + A + 2] as a batch."""
        x, action, reward, after, goes_on = rows.split(self.sizes, 1)
        return Transitions(x, action, reward[:, 0], after, goes_on[:, 0])

    def flush(self) -> None:
        """Bring the rows that are new to the device."""
        if len(self.pending) > _FEW:
            self.kept[: self.filled].copy_(torch.from_numpy(self.rows[: self.filled]))
        elif self.pending:
            places = torch.tensor(self.pending)
            self.kept[places.to(self.device)] = torch.from_numpy(self.rows[self.pending]).to(self.device)
        self.pending.clear()

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs: the transitions there are, and where the next one goes."""
        place = torch.tensor([self.place, self.filled, len(self.rows)])
        return {"rows": torch.from_numpy(self.rows[: self.filled]), "place": place}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `state` gave.

        Raises:
            CheckpointError: if it is that of a buffer of another size.
        """
        place, filled, capacity = (int(value) for value in state["place"])
        if capacity != len(self.rows) or state["rows"].shape != (filled, self.rows.shape[1]):
            met = f"a buffer of {capacity} rows of {state['rows'].shape[1]} numbers"
            allowed = f"{len(self.rows)} rows of {self.rows.shape[1]}"
            raise CheckpointError(sentence("ReplayBuffer.restore", met, allowed, "Resume with the same settings"))
        self.rows[:filled] = state["rows"].numpy()
        self.kept[:filled].copy_(torch.from_numpy(self.rows[:filled]))
        self.pending.clear()
        self.place, self.filled = place, filled


_FEW = 1000
"""Rows that are brought to a device one by one; of more, all are."""

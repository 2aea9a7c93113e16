"""StepCount: a layer that has numbers of its own for every time step, and knows at which step a call begins."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.arguments import check_whole
from ..core.errors import ShapeError, sentence
from ..core.stateful import Stateful
from ..core.temporal import check_sequence


class StepState(NamedTuple):
    """How far a sequence has come that is carried from call to call."""

    step: Tensor  # steps so far, a whole number without axes


class StepCount(Stateful):
    """Abstract: a layer with numbers for `steps` time steps; sequences may be shorter, not longer.

    Args:
        features: channels, at least 1.
        steps: time steps that it has numbers for, at least 1.
    """

    fires = False

    def __init__(self, features: int, steps: int) -> None:
        super().__init__()
        for name, value in (("features", features), ("steps", steps)):
            check_whole(f"{type(self).__name__}.{name}", value, least=1)
        self.features, self.steps = features, steps

    def begins_at(self, xs: Tensor) -> int:
        """The step at which a call on xs [T, N, C, *S] begins, 0 unless states are carried.

        Raises:
            ShapeError: if xs has other channels, or the sequence goes beyond the steps of the layer.
        """
        who = type(self).__name__
        check_sequence(xs, who)
        if xs.shape[2] != self.features:
            raise ShapeError(sentence(who, f"input of shape {list(xs.shape)}", f"[T, N, {self.features}, ...]"))
        start = 0
        if self.carry is not None:
            start = int(self.begin(lambda: StepState(torch.zeros((), dtype=torch.int64)), ()).step)
        if start + len(xs) > self.steps:
            met, todo = f"a sequence of {start + len(xs)} time steps", "It has numbers of its own for each step"
            raise ShapeError(sentence(who, met, f"at most {self.steps}, those that it was made for", todo))
        self.end(StepState(torch.tensor(start + len(xs))))
        return start

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.features}, steps={self.steps}"


def over_channels(numbers: Tensor, xs: Tensor) -> Tensor:
    """Numbers per channel [..., C] in the form that broadcasts to xs [T, N, C, *S].

    Example:
        >>> over_channels(torch.zeros(4, 1, 2), torch.zeros(4, 3, 2, 5, 5)).shape
        torch.Size([4, 1, 2, 1, 1])
    """
    return numbers.reshape(*numbers.shape, *[1] * (xs.dim() - 3))

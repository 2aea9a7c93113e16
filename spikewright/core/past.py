"""Remembering: a layer that sees its input together with that of the steps before it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .stateful import Stateful
from .temporal import check_sequence


class Past(NamedTuple):
    """State of such a layer."""

    xs: Tensor  # input of the last D steps, oldest first, [D, N, *F]
    step: Tensor  # steps so far, a whole number without axes


class Remembering(Stateful):
    """A temporal layer whose output depends on its input of this step and of D steps before."""

    def with_past(self, xs: Tensor, longest: int) -> tuple[Tensor, int]:
        """A sequence with the steps before it, and the number of the step at which it begins.

        Args:
            xs: [T, N, *F].
            longest: D.

        Returns:
            [D + T, N, *F], zeros before the beginning; and 0 unless states are carried.

        Raises:
            ShapeError: if xs is no floating-point [T, N, *F], or a carried past has another shape.
        """
        check_sequence(xs, type(self).__name__)
        silence = xs.new_zeros(longest, *xs.shape[1:])
        if self.carry is None:
            return torch.cat([silence, xs]), 0
        before = self.begin(lambda: Past(silence, torch.zeros((), dtype=torch.int64)), [silence, silence])
        padded = torch.cat([before.xs, xs])
        self.end(Past(padded[len(xs) :], before.step + len(xs)))
        return padded, int(before.step)

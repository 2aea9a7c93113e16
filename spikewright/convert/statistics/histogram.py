"""RunningHistogram: every activation counted, in bins of a thousandth of its own value, over any number of batches."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...core.errors import DataError
from ...core.processes import Processes, together
from .statistic import broken_values

FRACTION = 10
"""Bits of a float's fraction that tell bins apart: 1024 bins of equal width from one power of two to the next."""
OCTAVES = 12
"""How many powers of two are told apart, from the largest value down."""

COUNTABLE = 2**31 - 1
"""How many values of a group int32 can count."""

_DROPPED = 23 - FRACTION  # float32 has 23 bits of fraction
_ROUND_UP = (1 << _DROPPED) - 1
_PER_OCTAVE = 1 << FRACTION


class RunningHistogram:
    """Counts how many activations lie in each bin; the order and the size of the batches change nothing.

    The bits of a positive float, read as a whole number, grow with its value. Rounded up to fewer bits they number the
    bins, so that finding the bin of a value takes an addition and a shift, and a value on an edge belongs to the bin
    below. Bins that have fallen 2**-11 below the power of two above the largest value are merged with the zeros.

    Args:
        who: the site, for errors.

    Example:
        >>> histogram = RunningHistogram("act")
        >>> histogram.count(torch.tensor([[0.0, 1.0, 1.0, 1.00001, 3.0]]))
        >>> occupied = histogram.counts[0] > 0
        >>> histogram.edges()[occupied].tolist(), histogram.counts[0, occupied].tolist()
        ([0.0, 1.0, 1.0009765625, 3.0], [1, 2, 1, 1])
    """

    BINS = OCTAVES * _PER_OCTAVE

    def __init__(self, who: str) -> None:
        self.who = who
        self.first = 1  # number of the bin at place 0, which holds all that is not above its edge
        self._recent = np.zeros((0, self.BINS), np.int32)  # [G, BINS], half of what int64 would move through the caches
        self._older: np.ndarray | None = None  # int64 [G, BINS], once a group has more values than int32 can count
        self._recent_values = 0

    @property
    def counts(self) -> Tensor:
        """How many values of each group lie in each bin, int64 [G, BINS]."""
        recent = self._recent.astype(np.int64)
        return torch.from_numpy(recent if self._older is None else recent + self._older)

    def count(self, values: Tensor) -> None:
        """Take in float32 values [G, N, ...], less than 2**31 in a group; those below 0 count as 0.

        Raises:
            DataError: if one is not finite.
        """
        if not values.numel():
            return
        self._make_room(values.numel() // len(values))
        if values.device.type == "cpu":
            self._count_compiled(values)
        else:
            self.count_plainly(values)

    def count_plainly(self, values: Tensor) -> None:
        """`count` in torch's own operations, for any device."""
        lowest, highest = (float(end) for end in torch.aminmax(values))
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            raise broken_values(self.who)
        self._reach(_bits(highest), len(values))
        bits = values.clamp(min=_edge(self.first)).view(torch.int32)  # what lies below place 0 is raised to it
        places = ((bits + _ROUND_UP) >> _DROPPED) - self.first
        for row, found in zip(self._recent, places):
            row += torch.bincount(found.flatten(), minlength=self.BINS).cpu().numpy().astype(np.int32)

    def merge(self, processes: Processes) -> None:
        """Take in the counts of the other processes, as if all values had been counted in this one.

        Every process must have counted something: the bins of all are moved up to where the largest value asks for
        them, and then counts add up.
        """
        first = int(together(torch.tensor(self.first), processes, "max"))
        for counts in (self._recent, self._older):
            if counts is not None and first > self.first:
                _move_up(counts, first - self.first)
        self.first = first
        self._older = together(self.counts, processes).numpy()
        self._recent[:] = 0
        self._recent_values = 0

    def places_of(self, rank: int) -> Tensor:
        """The place of each group's value of that rank, 1 for the smallest, [G]."""
        from .count_bits import places_of

        places = torch.zeros(len(self._recent), dtype=torch.int64)
        counts = self._recent if self._older is None else self.counts.numpy()
        places_of(counts, self.total() - rank, places.numpy())
        return places

    def _count_compiled(self, values: Tensor) -> None:
        from .count_bits import count_bits, largest_bits  # compiles, or reads what was compiled before

        order = sorted(range(values.dim()), key=values.stride, reverse=True)  # as memory holds the axes
        bits = values.permute(order).contiguous().view(torch.int32)  # no copy where memory has no gaps
        axis = order.index(0)
        if not len(self._recent):
            self._reach(int(largest_bits(bits.view(-1).numpy())), len(values))
        parts = bits.view(math.prod(bits.shape[:axis]), len(values), -1)
        first = count_bits(parts.numpy(), self.first, _DROPPED, self._recent)
        if not first:
            raise broken_values(self.who)
        if first != self.first and self._older is not None:
            _move_up(self._older, first - self.first)
        self.first = first

    def edges(self) -> Tensor:
        """Upper edge of each bin, float64 [BINS]; 0 for the first, which holds the zeros."""
        bits = (torch.arange(self.BINS, dtype=torch.int32) + self.first) << _DROPPED
        edges = bits.view(torch.float32).double().clamp_(max=torch.finfo(torch.float32).max)
        edges[0] = 0
        return edges

    def total(self) -> int:
        """Number of values in each group.

        Raises:
            DataError: if there is none.
        """
        total = int(self._recent[:1].sum()) + (0 if self._older is None else int(self._older[0].sum()))
        if not total:
            raise DataError(f"{self.who}: got no value; expected at least one batch.")
        return total

    def _make_room(self, values: int) -> None:
        """Put what was counted aside before int32 could overflow."""
        if self._recent_values and self._recent_values + values > COUNTABLE:
            self._older, self._recent_values = self.counts.numpy(), 0
            self._recent[:] = 0
        self._recent_values += values

    def _reach(self, top: int, groups: int) -> None:
        """Move the bins up where the largest value, given as its bits, asks for it."""
        from .count_bits import first_bin

        first = first_bin(top, _DROPPED, self.BINS)
        if not len(self._recent):
            self._recent = np.zeros((groups, self.BINS), np.int32)  # octaves that stay empty take no memory
            self.first = first
        if first > self.first:
            for counts in (self._recent, self._older):
                if counts is not None:
                    _move_up(counts, first - self.first)
            self.first = first


def _move_up(counts: np.ndarray, moved: int) -> None:
    from .count_bits import move_up

    move_up(counts, moved)


def _bits(value: float) -> int:
    return int(torch.tensor(max(value, 0.0), dtype=torch.float32).view(torch.int32)) if value > 0 else 0


def _edge(number: int) -> float:
    return float(torch.tensor(number << _DROPPED, dtype=torch.int32).view(torch.float32))

"""RunningHistogram: every activation counted, in bins of a thousandth of its own value, over any number of batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...core.errors import DataError

FRACTION = 10
"""Bits of a float's fraction that tell bins apart: 1024 bins of equal width from one power of two to the next."""
OCTAVES = 12
"""How many powers of two are told apart, from the largest value down."""

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
        self.counts = torch.empty(0, 0, dtype=torch.int64)  # [G, BINS]

    def count(self, values: Tensor) -> None:
        """Take in finite float32 values [G, N, ...], less than 2**31 in a group; those below 0 count as 0."""
        if values.numel() and values.device.type == "cpu":
            self._count_compiled(values)
        elif values.numel():
            self.count_plainly(values)

    def count_plainly(self, values: Tensor) -> None:
        """`count` in torch's own operations, for any device."""
        self._reach(_bits(float(values.max())), len(values))
        bits = values.clamp(min=_edge(self.first)).view(torch.int32)  # what lies below place 0 is raised to it
        places = ((bits + _ROUND_UP) >> _DROPPED) - self.first
        for row, found in zip(self.counts, places):
            row += torch.bincount(found.flatten(), minlength=self.BINS).cpu()

    def places_of(self, rank: int) -> Tensor:
        """The place of each group's value of that rank, 1 for the smallest, [G]."""
        return torch.from_numpy((self.counts.numpy().cumsum(1) >= rank).argmax(1))

    def _count_compiled(self, values: Tensor) -> None:
        from .count_bits import count_bits, largest_bits  # compiles, or reads what was compiled before

        order = sorted(range(values.dim()), key=values.stride, reverse=True)  # as memory holds the axes
        bits = values.permute(order).contiguous().view(torch.int32)  # no copy where memory has no gaps
        axis = order.index(0)
        self._reach(int(largest_bits(bits.view(-1).numpy())), len(values))
        parts = bits.view(math.prod(bits.shape[:axis]), len(values), -1)
        count_bits(parts.numpy(), self.first, _DROPPED, self.counts.numpy())

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
        total = int(self.counts[0].sum()) if len(self.counts) else 0
        if not total:
            raise DataError(f"{self.who}: got no value; expected at least one batch.")
        return total

    def _reach(self, top: int, groups: int) -> None:
        """Move the bins up where the largest value, given as its bits, asks for it."""
        highest = (top + _ROUND_UP) >> _DROPPED
        first = max(1, (highest // _PER_OCTAVE + 1 - OCTAVES) * _PER_OCTAVE)
        if not len(self.counts):
            self.counts = torch.zeros(groups, self.BINS, dtype=torch.int64)
            self.first = first
        moved = min(first - self.first, self.BINS - 1)
        if moved > 0:
            self.counts[:, moved] += self.counts[:, :moved].sum(1)
            self.counts[:, : self.BINS - moved] = self.counts[:, moved:].clone()
            self.counts[:, self.BINS - moved :] = 0
            self.first = first


def _bits(value: float) -> int:
    return int(torch.tensor(max(value, 0.0), dtype=torch.float32).view(torch.int32)) if value > 0 else 0


def _edge(number: int) -> float:
    return float(torch.tensor(number << _DROPPED, dtype=torch.int32).view(torch.float32))

"""RunningHistogram: every activation counted, in bins of a thousandth of its own value, over any number of batches."""

from __future__ import annotations

import numpy as np
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
_AT_ONCE = 1 << 17  # values that are binned together: what a core keeps near


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
        self.floor: Tensor | None = None  # [G]; values up to it count at place 0 too

    def count(self, values: Tensor) -> None:
        """Take in finite float32 values [G, N, ...]; those below 0 count as 0."""
        self._reach(float(values.permute(_order(values)).max()), len(values))
        if self.floor is not None and values.device.type == "cpu":
            self._count_above(values, self.floor)
            return
        size = max(_AT_ONCE, 2 * self.counts.numel())
        for part in values.split(max(1, size * values.shape[1] // values.numel()), 1):
            places = self._places(part)
            if len(values) > 1:
                starts = torch.arange(len(values), dtype=torch.int32, device=values.device) * self.BINS
                places.add_(starts.view(-1, *[1] * (places.dim() - 1)))
            found = torch.bincount(places.permute(_order(places)).flatten(), minlength=self.counts.numel())
            self.counts += found.view(self.counts.shape).cpu()

    def forget_below(self, largest: int) -> None:
        """From now on tell apart no more than needed: in each group at least its so many largest values."""
        lowest = self.BINS - 1 - _first_reaching(self.counts.numpy()[:, ::-1], largest)  # [G]
        floor = self.edges()[torch.from_numpy(lowest - 1).clamp_(min=0)].float()
        self.floor = floor if self.floor is None else torch.maximum(self.floor, floor)
        for counts, place in zip(self.counts.numpy(), lowest.tolist()):
            counts[0] = counts[:place].sum() if place else counts[0]
            counts[1:place] = 0

    def places_of(self, rank: int) -> Tensor:
        """The place of each group's value of that rank, 1 for the smallest, [G]."""
        return torch.from_numpy(_first_reaching(self.counts.numpy(), rank))

    def known(self, places: Tensor) -> Tensor:
        """Whether the value at a place of each group is known, [G]; it is not where it was forgotten."""
        if self.floor is None:
            return torch.ones_like(places, dtype=torch.bool)
        return (places > 0) | (self.floor <= _edge(self.first))

    def _places(self, values: Tensor) -> Tensor:
        """Place of each value, int32: its bin - first, in one addition; what lies below place 0 is raised to it."""
        bits = values.clamp(min=_edge(self.first)).view(torch.int32)
        return bits.add_(_ROUND_UP - (self.first << _DROPPED)).bitwise_right_shift_(_DROPPED)

    def _count_above(self, values: Tensor, floor: Tensor) -> None:
        """Look at the values above the floor alone: a comparison costs a tenth of a count."""
        order = _order(values)
        floors = floor.view(-1, *[1] * (values.dim() - 1))
        stored = values.permute(order).numpy()
        found = np.flatnonzero(stored > floors.permute(order).numpy())
        group = np.unravel_index(found, stored.shape)[order.index(0)] if len(values) > 1 else np.zeros_like(found)
        picked = self._places(torch.from_numpy(stored.reshape(-1)[found]))
        rows = torch.from_numpy(group)
        self.counts.view(-1).index_add_(0, rows * self.BINS + picked, torch.ones_like(rows))
        self.counts[:, 0] += values[0].numel() - torch.bincount(rows, minlength=len(values))

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

    def _reach(self, top: float, groups: int) -> None:
        """Move the bins up where the largest value asks for it."""
        highest = (_bits(top) + _ROUND_UP) >> _DROPPED
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


def _order(values: Tensor) -> list[int]:
    """The axes in the order in which memory holds them, so that a permuted tensor is not copied."""
    return sorted(range(values.dim()), key=values.stride, reverse=True)


def _first_reaching(counts: np.ndarray, sought: int) -> np.ndarray:
    """The first place of each row up to which the counts sum to at least so many, [G]."""
    return (counts.cumsum(1) >= sought).argmax(1)

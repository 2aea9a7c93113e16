"""count_bits() and what a running histogram needs beside it, on the CPU: one pass over the activations."""

from __future__ import annotations

import numpy as np

from ...core.compiled import compiled

INFINITE = 0x7F800000
"""Bits of infinity: those of a float without its sign are below them, unless it is infinite or no number."""
_BLOCK = 1024  # values whose bins are found together, in the core's nearest cache
_LANES = 16  # places that zeros take in turn: adding to one place again and again would wait for itself
_STRIP = 64  # bins that are added up together, or left out where none of them has been counted


@compiled
def largest_bits(bits: np.ndarray) -> int:  # pragma: no cover - compiled
    """The largest of float32 values read as int32 [n], and 0 if all are negative."""
    largest = np.int32(0)
    for i in range(len(bits)):
        largest = max(largest, bits[i])
    return np.int64(largest)  # pyright: ignore[reportReturnType]


@compiled
def first_bin(top: int, dropped: int, bins: int) -> int:  # pragma: no cover - compiled
    """Number of the lowest bin where the largest value, given as its bits, lies in the highest octave."""
    octave = 1 << (23 - dropped)
    highest = (top + (1 << dropped) - 1) >> dropped
    return max(1, (highest // octave + 1) * octave - bins)


@compiled
def move_up(counts: np.ndarray, moved: int) -> None:  # pragma: no cover - compiled
    """Let each bin of [G, bins] hold what one so many places above it held; what falls out joins the lowest."""
    bins = counts.shape[1]
    moved = min(moved, bins - 1)
    for row in counts:
        for place in range(moved):
            row[moved] += row[place]
        for place in range(bins - moved):
            row[place] = row[place + moved]
        row[bins - moved :] = 0


@compiled
def count_bits(bits: np.ndarray, first: int, dropped: int, counts: np.ndarray) -> int:  # pragma: no cover - compiled
    """Count each value in its group's bin and move the bins up where a value asks for it; see `RunningHistogram`.

    Each block is read twice, the second time from the nearest cache: its bins and its largest value are found, then
    the bins are counted in a table that stays in the core's cache, where the counts of all groups do not. Only strips
    of that table that hold something are added to the group's own.

    Args:
        bits: float32 values read as int32, [outer, G, inner].
        first: number of the bin at place 0.
        dropped: bits of the fraction that do not tell bins apart.
        counts: int32 [G, bins], which is added to; the number of bins is a multiple of 64.

    Returns:
        Number of the bin at place 0 afterwards; 0, with the work left off, at a value that is not finite.
    """
    round_up, shift = np.int32((1 << dropped) - 1), np.int32(dropped)
    outer, groups, inner = bits.shape
    bins = counts.shape[1]
    near = np.zeros(_LANES - 1 + bins, np.int32)  # place 0 is spread over the lanes, the others follow
    found = np.empty(_BLOCK, np.uint32)
    for g in range(groups):
        for o in range(outer):
            for start in range(0, inner, _BLOCK):
                block = bits[o, g, start : start + _BLOCK]
                highest = (first + bins - 1) << dropped
                while True:
                    largest, below = np.int32(0), np.int32(first - _LANES + 1)
                    for i in range(len(block)):
                        largest = max(largest, block[i] & np.int32(0x7FFFFFFF))
                        lane = np.int32(i & (_LANES - 1))  # a negative float is a negative number
                        found[i] = np.uint32(max(((block[i] + round_up) >> shift) - below, lane))
                    if largest >= INFINITE:
                        return 0
                    if largest <= highest:
                        break
                    needed = first_bin(largest_bits(block), dropped, bins)
                    if needed <= first:  # it is a negative value that is so large
                        break
                    _take_over(near, counts[g])
                    move_up(counts, needed - first)
                    first = needed
                    highest = (first + bins - 1) << dropped
                for i in range(len(block)):
                    near[found[i]] += np.int32(1)
        _take_over(near, counts[g])
    return first


@compiled
def _take_over(near: np.ndarray, row: np.ndarray) -> None:  # pragma: no cover - compiled
    """Add the table of one group to its counts, and empty it."""
    for lane in range(_LANES):
        row[0] += near[lane]
        near[lane] = 0
    places = near[_LANES - 1 :]
    for start in range(0, len(row), _STRIP):
        strip, own = places[start : start + _STRIP], row[start : start + _STRIP]
        some = np.int32(0)
        for place in range(_STRIP):
            some |= strip[place]
        if some:
            for place in range(_STRIP):
                own[place] += strip[place]
                strip[place] = 0


@compiled
def places_of(counts: np.ndarray, allowed: int, places: np.ndarray) -> None:  # pragma: no cover - compiled
    """The lowest place above which no more values lie than allowed, for each group; found from above.

    Args:
        counts: [G, bins].
        allowed: how many values may lie above the place.
        places: int64 [G], which is written.
    """
    for g in range(len(counts)):
        place, above = counts.shape[1] - 1, 0
        while place > 0 and above + counts[g, place] <= allowed:
            above += counts[g, place]
            place -= 1
        places[g] = place

"""count_bits(), largest_bits(): a running histogram's work on the CPU, one pass over the activations each."""

from __future__ import annotations

import numpy as np

from ...core.compiled import compiled


@compiled
def largest_bits(bits: np.ndarray) -> int:  # pragma: no cover - compiled
    """The largest of float32 values read as int32 [n], and 0 if all are negative."""
    largest = 0
    for i in range(len(bits)):
        largest = max(largest, bits[i])
    return largest


@compiled
def count_bits(bits: np.ndarray, first: int, dropped: int, counts: np.ndarray) -> None:  # pragma: no cover - compiled
    """Count each value in its group's bin; see `RunningHistogram`.

    Args:
        bits: float32 values read as int32, [outer, G, inner].
        first: number of the bin at place 0.
        dropped: bits of the fraction that do not tell bins apart.
        counts: int64 [G, bins], which is added to.
    """
    round_up = (1 << dropped) - 1
    outer, groups, inner = bits.shape
    near = np.zeros(counts.shape[1], np.int32)  # stays in the core's cache, where the counts of all groups do not
    for g in range(groups):
        for o in range(outer):
            for i in range(inner):
                place = ((bits[o, g, i] + round_up) >> dropped) - first
                near[max(place, 0)] += 1  # a negative float is a negative number
        row = counts[g]
        for place in range(len(near)):
            row[place] += near[place]
            near[place] = 0

"""Events: a sequence of images as lists of the channels that are not zero, per time step, sample and pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.compiled import compiled

TAIL = 16
"""Entries behind the last list that may be read, never used: lists are read sixteen at a time."""

MOST_CHANNELS = 2**16
"""Entries of a list are whole numbers of 16 bits."""

_NOTHING = np.empty((0, 0, 0, 0), np.float32)


@dataclass(frozen=True)
class Events:
    """Which channels are active where and when.

    Args:
        counts: length of each list, int32 [N, P, T], P = H * W; time is innermost, as it is read.
        channels: the lists, uint16 [N, P, T, capacity].
        values: what each entry delivers, in units of its channel's amplitude, float32 like `channels`; None for 1.
        image: (C, H, W).
        amplitude: what a unit delivers, float32 [C].
        distinct: whether each list is known to name a channel once only, as joined lists do not.
    """

    counts: np.ndarray
    channels: np.ndarray
    values: np.ndarray | None
    image: tuple[int, int, int]
    amplitude: np.ndarray
    distinct: bool = False

    @property
    def density(self) -> float:
        """Share of the entries that are not zero."""
        return float(self.counts.sum()) / (self.counts.size * self.image[0])

    def key(self) -> tuple:
        """Form and place in memory: while it is the same, so is what a compiled loop is told of them."""
        places = tuple(0 if part is None else part.ctypes.data for part in (self.counts, self.channels, self.values))
        return *places, self.channels.shape, self.image, self.amplitude.tobytes()

    def dense(self) -> Tensor:
        """The sequence itself, [T, N, C, H, W], channels last in memory."""
        c, h, w = self.image
        samples, pixels, timesteps = self.counts.shape
        out = np.zeros((timesteps, samples, pixels, c), np.float32)
        _fill(self.counts, self.channels, _NOTHING if self.values is None else self.values, self.amplitude, out)
        return torch.from_numpy(out).view(timesteps, samples, h, w, c).permute(0, 1, 4, 2, 3)


def room(
    timesteps: int, samples: int, image: tuple[int, int, int], valued: bool, capacity: int | None = None
) -> tuple[np.ndarray, ...]:
    """Empty lists: counts of 0, channels, and values (of no size unless asked for).

    Args:
        timesteps, samples: T and N.
        image: (C, H, W).
        valued: whether entries have values.
        capacity: entries that a list has room for; C if None.
    """
    c, h, w = image
    capacity = -(-(capacity or c) // TAIL) * TAIL
    shape = (samples, h * w, timesteps, capacity)
    size = timesteps * samples * h * w * capacity
    channels = np.empty(size + TAIL, np.uint16)[:size].reshape(shape)
    values = np.empty(size + TAIL, np.float32)[:size].reshape(shape) if valued else _NOTHING
    return np.zeros(shape[:3], np.int32), channels, values


def listed(xs: Tensor) -> Events:
    """A sequence [T, N, C, H, W] as lists, each value kept."""
    timesteps, samples, c, h, w = xs.shape
    given = xs.permute(0, 1, 3, 4, 2).contiguous().view(timesteps, samples, h * w, c).numpy()
    counts, channels, values = room(timesteps, samples, (c, h, w), valued=True)
    _list(given, counts, channels, values)
    return Events(counts, channels, values, (c, h, w), np.ones(c, np.float32))


@compiled
def _list(given, counts, channels, values):  # pragma: no cover - compiled
    for t in range(given.shape[0]):
        for n in range(given.shape[1]):
            for p in range(given.shape[2]):
                found = 0
                for c in range(given.shape[3]):
                    value = given[t, n, p, c]
                    channels[n, p, t, found] = c
                    values[n, p, t, found] = value
                    found += value != 0
                    if found == channels.shape[3]:
                        break
                counts[n, p, t] = found


@compiled
def _fill(counts, channels, values, amplitude, out):  # pragma: no cover - compiled
    weighted = values.size > 0
    for t in range(counts.shape[2]):
        for n in range(counts.shape[0]):
            for p in range(counts.shape[1]):
                for i in range(counts[n, p, t]):
                    c = channels[n, p, t, i]
                    out[t, n, p, c] += values[n, p, t, i] * amplitude[c] if weighted else amplitude[c]

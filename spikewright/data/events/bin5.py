"""read_bin: the format of N-MNIST, five bytes per event."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .events import Events, events_from
from .source import content_of, unwrapped, words

OVERFLOW_ROW, OVERFLOW_STEP = 240, 2**13


def read_bin(source: Path | str | bytes, size: tuple[int, int] = (34, 34)) -> Events:
    """Read the 5-byte format of N-MNIST and N-Caltech101: x, y, then the polarity and 23 bits of microseconds.

        byte 0: x    byte 1: y    bytes 2..4, highest first: p * 2^23 + t

    A record in row 240 is no event: it says that the sensor's own clock of 13 bits began again, and 2^13 us are added
    to all times after it. The 23 bits begin again after 8.4 s, which is undone where the times fall by half of it.

    Args:
        source: a path, or the content of a file.
        size: (height, width) of the sensor in pixels; the file does not state it.

    Raises:
        DataError: the file is unreadable, empty or truncated, or an event lies outside the sensor.

    Source: Orchard et al. 2015, "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades",
        Frontiers in Neuroscience 9:437; the README of N-MNIST.
    Example:
        >>> events = read_bin(bytes([3, 4, 0x80, 1, 2]))
        >>> events.x.tolist(), events.y.tolist(), events.p.tolist(), events.t.tolist()
        ([3], [4], [1], [258])
    """
    name, content = content_of(source, "read_bin")
    raw = words(name, content, "(5,)u1", "events").astype(np.int64)
    t = unwrapped((raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4], bits=23)
    overflow = (raw[:, 1] == OVERFLOW_ROW) & (size[0] <= OVERFLOW_ROW)
    t += np.cumsum(overflow) * OVERFLOW_STEP
    kept = ~overflow
    return events_from(name, raw[kept, 0], raw[kept, 1], raw[kept, 2] >> 7, t[kept], size=size)

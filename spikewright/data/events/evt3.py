"""read_evt3: Prophesee's RAW files in the format EVT 3.0, words of 16 bits that change a state."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .events import Events, events_from
from .evt2 import check_kinds
from .prophesee_header import check_format, sensor_size, split_header
from .source import content_of, latest, unwrapped, words

Y, X, BASE_X, VECTOR_12, VECTOR_8, TIME_LOW, TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
KNOWN = (Y, X, BASE_X, VECTOR_12, VECTOR_8, TIME_LOW, 0x7, TIME_HIGH, 0xA, 0xE, 0xF)
LOW_BITS = 12


def read_evt3(source: Path | str | bytes, size: tuple[int, int] | None = None) -> Events:
    """Read a RAW file in EVT 3.0: each word changes the state (time, row, base column) or gives events in it.

        0x8, 0x6: the upper and the lower 12 bits of the time in us; the upper ones begin again after 16.8 s
        0x0: the row, 11 bits                       0x2: one event: 11 bits of x, 1 of polarity
        0x3: base column and polarity of vectors    0x4, 0x5: 12 or 8 bits, each an event at base, base + 1, ...;
                                                    the base moves on by as many columns

    Lower bits count from 0 after the upper ones have changed, until the next word 0x6. Words of other kinds
    (triggers, monitoring) carry no events; what comes before the first time, row or base column has none and is left
    out, as the camera may have been running when the recording began.

    Args:
        source: a path, or the content of a file.
        size: (height, width) of the sensor in pixels; None: what the header says.

    Raises:
        DataError: the file is unreadable, empty, truncated, of another format or holds unknown words; the sensor's
            size is not known; or an event lies outside it.

    Source: Metavision documentation, "EVT 3.0 format".
        Differs: expelliarmus 1.1.12 gives the same events with other times.
    Example:
        >>> data = np.array([0x8001, 0x6002, 0x0007, 0x2805, 0x3010, 0x4005], "<u2").tobytes()
        >>> events = read_evt3(b"% evt 3.0\\n% geometry 1280x720\\n" + data)
        >>> events.x.tolist(), events.y.tolist(), events.p.tolist(), events.t.tolist()
        ([5, 16, 18], [7, 7, 7], [1, 0, 0], [4098, 4098, 4098])
    """
    name, content = content_of(source, "read_evt3")
    fields, data = split_header(content)
    check_format(name, fields, "3")
    word = words(name, data, "<u2", "words").astype(np.int64)
    kind, value = word >> LOW_BITS, word & 0xFFF
    check_kinds(name, kind, KNOWN)
    time, base, row = clock(kind, value), latest(kind == BASE_X), latest(kind == Y)
    width = np.where(kind == VECTOR_12, 12, 0) + np.where(kind == VECTOR_8, 8, 0)
    before = np.cumsum(width) - width  # columns that vectors have moved on by, up to here
    single = np.flatnonzero((kind == X) & (row >= 0) & (time >= 0))
    vector = np.flatnonzero((width > 0) & (base >= 0) & (row >= 0) & (time >= 0))
    bits = value[vector, None] >> np.arange(12) & 1 & (np.arange(12) < width[vector, None])
    which, bit = np.nonzero(bits)
    word_of = np.concatenate([single, vector[which]])
    of_vector = vector[which]
    x = np.concatenate(
        [value[single] & 0x7FF, (value[base[of_vector]] & 0x7FF) + (before - before[base])[of_vector] + bit]
    )
    p = np.concatenate([value[single], value[base[of_vector]]]) >> 11
    order = np.argsort(word_of, kind="stable")
    place = word_of[order]
    y = value[row[place]] & 0x7FF
    return events_from(name, x[order], y, p[order], time[place], size=sensor_size(name, fields, size))


def clock(kind: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Time in us at each word, int64; -1 before the first upper part.

    Args:
        kind: what each word is, [words].
        value: its lower 12 bits, [words].

    Example:
        >>> clock(np.array([TIME_LOW, TIME_HIGH, TIME_LOW, TIME_HIGH, TIME_HIGH]), np.array([9, 1, 5, 1, 2])).tolist()
        [-1, 4096, 4101, 4101, 8192]
    """
    highs = np.flatnonzero(kind == TIME_HIGH)
    if not len(highs):
        return np.full(len(kind), -1, np.int64)
    upper = np.zeros(len(kind), np.int64)
    upper[highs] = unwrapped(value[highs], bits=LOW_BITS)
    changed = np.zeros(len(kind), bool)
    changed[highs] = np.diff(value[highs], prepend=-1) != 0
    high, low, change = latest(kind == TIME_HIGH), latest(kind == TIME_LOW), latest(changed)
    lower = np.where(low > change, value[low], 0)
    return np.where(high >= 0, (upper[high] << LOW_BITS) + lower, -1)

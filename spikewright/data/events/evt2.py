"""read_evt2: Prophesee's RAW files in the format EVT 2.0, one word of 32 bits per event."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import DataError, sentence
from .events import Events, events_from
from .prophesee_header import check_format, sensor_size, split_header
from .source import content_of, latest, unwrapped, words

OFF, ON, TIME_HIGH = 0x0, 0x1, 0x8
KNOWN = (OFF, ON, TIME_HIGH, 0xA, 0xE, 0xF)  # the last three: trigger, other, continued


def read_evt2(source: Path | str | bytes, size: tuple[int, int] | None = None) -> Events:
    """Read a RAW file in EVT 2.0: words whose upper four bits say what they are.

        0x0, 0x1: an event of polarity 0 or 1: 6 bits of time, 11 of x, 11 of y
        0x8: the upper 28 bits of the time of the events that follow;  t = upper * 2^6 + lower, in us

    Words of other kinds (triggers, monitoring) carry no events; events before the first time have none and are left
    out, as the camera may have been running when the recording began.

    Args:
        source: a path, or the content of a file.
        size: (height, width) of the sensor in pixels; None: what the header says.

    Raises:
        DataError: the file is unreadable, empty, truncated, of another format or holds unknown words; the sensor's
            size is not known; or an event lies outside it.

    Source: Metavision documentation, "EVT 2.0 format".
    Example:
        >>> high, event = 0x8 << 28 | 3, 0x1 << 28 | 5 << 22 | 6 << 11 | 7
        >>> data = np.array([high, event], "<u4").tobytes()
        >>> events = read_evt2(b"% evt 2.0\\n% geometry 640x480\\n" + data)
        >>> events.x.tolist(), events.y.tolist(), events.p.tolist(), events.t.tolist()
        ([6], [7], [1], [197])
    """
    name, content = content_of(source, "read_evt2")
    fields, data = split_header(content)
    check_format(name, fields, "2")
    word = words(name, data, "<u4", "words").astype(np.int64)
    kind = word >> 28
    check_kinds(name, kind, KNOWN)
    base = latest(kind == TIME_HIGH)
    event = np.flatnonzero((kind <= ON) & (base >= 0))
    highs = kind == TIME_HIGH
    upper = np.zeros(len(word), np.int64)
    upper[highs] = unwrapped(word[highs] & 0xFFFFFFF, bits=28)
    found = word[event]
    t = upper[base[event]] << 6 | found >> 22 & 0x3F
    x, y = found >> 11 & 0x7FF, found & 0x7FF
    return events_from(name, x, y, kind[event], t, size=sensor_size(name, fields, size))


def check_kinds(name: str, kind: np.ndarray, known: tuple[int, ...]) -> None:
    """Refuse words of kinds that the format does not have, as they occur where a file is broken.

    Raises:
        DataError: names the first one and its place.
    """
    wrong = ~np.isin(kind, known)
    if wrong.any():
        place = int(np.argmax(wrong))
        met = f"a word of kind {int(kind[place]):#x} at word {place} ({int(wrong.sum())} of unknown kinds)"
        raise DataError(sentence(name, met, f"kinds {', '.join(f'{one:#x}' for one in known)}", "The file is broken"))

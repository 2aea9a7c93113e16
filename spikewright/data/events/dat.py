"""read_dat: Prophesee's DAT files, eight bytes per event."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import DataError, sentence
from .events import Events, events_from
from .prophesee_header import sensor_size, split_header
from .source import TRUNCATED, content_of, unwrapped, words

CD_EVENT, RECORD = 0x0C, 8
KINDS = {0x00, CD_EVENT}  # plain two-dimensional events under their old and new number


def read_dat(source: Path | str | bytes, size: tuple[int, int] | None = None) -> Events:
    """Read a DAT file of version 2: a header of text, two bytes (kind, 8), then two words of 32 bits per event.

        word 0: t in us    word 1: x in bits 0..13, y in bits 14..27, p in bit 28

    Args:
        source: a path, or the content of a file.
        size: (height, width) of the sensor in pixels; None: what the header says.

    Raises:
        DataError: the file is unreadable, empty, truncated or of another version or kind; the sensor's size is not
            known; or an event lies outside it.

    Source: Metavision documentation, "DAT file format".
    Example:
        >>> import struct
        >>> header = b"% Version 2\\n% Height 240\\n% Width 304\\n"
        >>> events = read_dat(header + bytes([12, 8]) + struct.pack("<II", 77, 1 << 28 | 5 << 14 | 6))
        >>> events.x.tolist(), events.y.tolist(), events.p.tolist(), events.t.tolist()
        ([6], [5], [1], [77])
    """
    name, content = content_of(source, "read_dat")
    fields, data = split_header(content)
    if fields.get("version") != "2":
        met = f"version {fields['version']!r}" if "version" in fields else "a header without a version"
        raise DataError(
            sentence(name, met, "a DAT file of version 2", "Other versions can be converted with Metavision")
        )
    if len(data) <= 2:
        raise DataError(sentence(name, "a header without events", "events after it", TRUNCATED))
    if data[0] not in KINDS or data[1] != RECORD:
        met = f"events of kind {data[0]:#04x} with {data[1]} bytes"
        raise DataError(sentence(name, met, f"kind {CD_EVENT:#04x} with {RECORD} bytes, contrast events"))
    time, place = words(name, data[2:], "(2,)<u4", "events").astype(np.int64).T
    x, y, p = place & 0x3FFF, place >> 14 & 0x3FFF, place >> 28 & 1
    return events_from(name, x, y, p, unwrapped(time, bits=32), size=sensor_size(name, fields, size))

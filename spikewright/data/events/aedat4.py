"""read_aedat4: iniVation's AEDAT 4 files, read by the package `aedat`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ...core.errors import DataError, sentence
from .events import Events, events_from
from .source import TRUNCATED, content_of, optional

MAGIC = b"#!AER-DAT4.0\r\n"


def read_aedat4(source: Path | str | bytes) -> Events:
    """Read the first event stream of an AEDAT 4 file; frames, inertial data and triggers are left out.

    Times are those of the file: most cameras count microseconds from 1970, see `Events.from_zero`.

    Args:
        source: a path, or the content of a file.

    Raises:
        DataError: the file is unreadable, empty, truncated, of another format or version, or holds no events; or the
            package is not installed.

    Source: iniVation documentation, "AEDAT 4.0 file format".
    """
    name, content = content_of(source, "read_aedat4")
    if not content.startswith(MAGIC):
        first = content[: len(MAGIC)].decode("latin-1").strip()
        raise DataError(sentence(name, f"a file that begins with {first!r}", f"{MAGIC.decode().strip()!r}"))
    aedat = optional("aedat", name)
    if not isinstance(source, bytes):
        return _decoded(aedat, Path(source), name)
    with tempfile.TemporaryDirectory() as folder:  # the package reads files only
        path = Path(folder) / "recording.aedat4"
        path.write_bytes(source)
        return _decoded(aedat, path, name)


def _decoded(aedat, path: Path, name: str) -> Events:
    try:
        decoder = aedat.Decoder(path)
        streams = {number: about for number, about in decoder.id_to_stream().items() if about["type"] == "events"}
        if not streams:
            raise DataError(sentence(name, "a file without an event stream", "at least one", "It may hold frames only"))
        first = min(streams)
        parts = [packet["events"] for packet in decoder if packet["stream_id"] == first and "events" in packet]
    except RuntimeError as error:
        raise DataError(
            sentence(name, f"a file that cannot be decoded ({error})", "a whole file", TRUNCATED)
        ) from error
    if not parts:
        raise DataError(sentence(name, "an event stream without events", "at least one event", TRUNCATED))
    events = np.concatenate(parts)
    size = streams[first]["height"], streams[first]["width"]
    t = events["t"].astype(np.int64)
    return events_from(name, events["x"], events["y"], events["on"], t, size=size)

"""What readers of event files share: bytes from a file or memory, words, clocks that begin again, optional packages."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import DataError, sentence

TRUNCATED = "The file is truncated or of another format"


def content_of(source: Path | str | bytes, who: str) -> tuple[str, bytes]:
    """What to call a source in errors, and its bytes.

    Args:
        source: a path, or the content of a file.
        who: the reader.

    Raises:
        DataError: the file cannot be read, or is empty.
    """
    if isinstance(source, bytes):
        name, content = who, source
    elif isinstance(source, Path | str):
        name = f"{who} {source}"
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise DataError(sentence(name, f"no readable file ({error.strerror})", "an event file")) from error
    else:
        raise DataError(sentence(who, type(source).__name__, "a path or the bytes of a file"))
    if not content:
        raise DataError(sentence(name, "an empty file", "a recording of at least one event", TRUNCATED))
    return name, content


def words(name: str, content: bytes, dtype: str, what: str) -> np.ndarray:
    """Bytes as an array of records.

    Args:
        name: what to call the file in an error.
        content: the bytes.
        dtype: numpy's name of one record.
        what: what one record is called in the format.

    Raises:
        DataError: the bytes are no whole number of records.

    Example:
        >>> words("x", bytes([1, 0, 2, 0]), "<u2", "words").tolist()
        [1, 2]
    """
    size = np.dtype(dtype).itemsize
    if len(content) % size:
        raise DataError(sentence(name, f"{len(content):,} bytes", f"a whole number of {size}-byte {what}", TRUNCATED))
    return np.frombuffer(content, dtype)


def unwrapped(clock: np.ndarray, bits: int) -> np.ndarray:
    """Times of a clock that begins again at 0 after `bits` bits, as times that go on.

    A fall by more than half of the clock's range is a new beginning; smaller ones are events out of order.

    Args:
        clock: whole numbers in 0..2^bits - 1, [E].
        bits: width of the clock.

    Returns:
        int64 [E].

    Example:
        >>> unwrapped(np.array([250, 255, 3, 2]), bits=8).tolist()
        [250, 255, 259, 258]
    """
    t = clock.astype(np.int64)
    step = np.diff(t, prepend=t[:1])
    half = 2 ** (bits - 1)
    rounds = np.cumsum((step < -half).astype(np.int64) - (step > half))
    return t + (rounds - min(0, int(rounds.min(initial=0)))) * 2**bits


def latest(marks: np.ndarray) -> np.ndarray:
    """For each place the last marked place up to it; -1 before the first mark.

    Example:
        >>> latest(np.array([False, True, False, True])).tolist()
        [-1, 1, 1, 3]
    """
    return np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))


def optional(module: str, who: str) -> Any:
    """A module of the optional packages for events.

    Raises:
        DataError: it is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        todo = "Install it: pip install 'spikewright[events]'"
        raise DataError(sentence(who, f"no package {module} ({error})", "the packages for events", todo)) from error

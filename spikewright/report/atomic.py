"""Files that are either the old one or the new one, never a part of it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from spikewright.report.errors import explain


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, make sure it is on the disk, and put it into its place in one step.

    Args:
        path: the file; its folder must be there.
        content: text (written as UTF-8) or bytes.

    Raises:
        RunFolderError: with what the operating system refused; the old file, if any, is untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise explain(error, path) from error


def write_all(handle: int, data: bytes) -> None:
    """Write bytes to an open file, in several pieces if the system takes them so."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]

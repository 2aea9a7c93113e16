"""Recordings inside archives: every file of a tar at once, or one file of a zip when it is asked for."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import DataError, sentence
from ..unpack import BROKEN
from .events import Events

TODO = "Delete it and get it again"


def tar_files(path: Path, suffix: str) -> dict[str, bytes]:
    """Names and contents of the files of a tar, packed or not, whose names end in `suffix`, sorted by name.

    Raises:
        DataError: the archive is broken, or holds no such file.
    """
    try:
        with tarfile.open(path) as whole:
            members = [info for info in whole if info.isfile() and info.name.endswith(suffix)]
            found = {info.name: stream.read() for info in members if (stream := whole.extractfile(info)) is not None}
    except (*BROKEN, OSError) as error:
        raise DataError(sentence(str(path), f"a broken archive ({error})", "a whole tar", TODO)) from error
    if not found:
        raise DataError(sentence(str(path), f"an archive without {suffix} files", "recordings", TODO))
    return dict(sorted(found.items()))


class ZipFiles:
    """Recordings of a zip, each read when it is asked for.

    Args:
        path: the zip.
        suffix: how the names of the recordings end.
        read: makes Events of the bytes of one file.

    Raises:
        DataError: the archive is broken, or holds no such file.
    """

    def __init__(self, path: Path, suffix: str, read: Callable[[bytes], Events]) -> None:
        self.path, self.read = path, read
        self._archive: zipfile.ZipFile | None = None
        names = [info.filename for info in self._opened().infolist() if not info.is_dir()]
        self.names = tuple(sorted(name for name in names if name.endswith(suffix)))
        if not self.names:
            raise DataError(sentence(str(path), f"an archive without {suffix} files", "recordings", TODO))

    def _opened(self) -> zipfile.ZipFile:
        if self._archive is None:  # kept open: its table of contents is long
            try:
                self._archive = zipfile.ZipFile(self.path)
            except (*BROKEN, OSError) as error:
                raise DataError(sentence(str(self.path), f"a broken archive ({error})", "a whole zip", TODO)) from error
        return self._archive

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or another process takes along: not the open file."""
        return {**self.__dict__, "_archive": None}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> Events:
        """One recording.

        Raises:
            DataError: the file is broken.
        """
        name = self.names[place]
        try:
            content = self._opened().read(name)
        except (*BROKEN, OSError) as error:
            who = f"{self.path}, {name}"
            raise DataError(sentence(who, f"a broken file ({error})", "a whole recording", TODO)) from error
        try:
            return self.read(content)
        except DataError as error:
            raise DataError(f"{self.path}, {name}: {error}") from error

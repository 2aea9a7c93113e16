"""Unpack tar, zip, gz and xz into one folder and never outside it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ..core.errors import DataError, sentence

SINGLE = {".gz": gzip.open, ".xz": lzma.open}
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,  # an encrypted zip, or one with an unknown compression
)


def is_archive(path: Path) -> bool:
    """Whether a file holds several files (tar or zip), by its name.

    Example:
        >>> is_archive(Path("cifar.tar.gz")), is_archive(Path("images.gz"))
        (True, False)
    """
    return path.suffix in (".zip", ".tar", ".tgz") or ".tar" in path.suffixes[-2:-1]


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack an archive; files that are there already with the right length are kept.

    Each file gets its name only when it is whole. Links and devices in a tar are refused, and so is every
    path that is absolute or leads upwards.

    Args:
        archive: a .tar, .tar.gz, .tar.xz, .tgz, .zip, or one file packed as .gz or .xz.
        folder: where the files go.

    Returns:
        The unpacked files.

    Raises:
        DataError: the archive is broken, of an unknown kind, or holds what is no file inside `folder`; the
            folder cannot be written.
    """
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as whole:
                return [_write(*member, folder, archive) for member in _zip_members(whole)]
        if is_archive(archive):
            with tarfile.open(archive) as whole:
                return [_write(*member, folder, archive) for member in _tar_members(whole, archive)]
        if archive.suffix in SINGLE:
            with SINGLE[archive.suffix](archive, "rb") as stream:
                return [_write(archive.stem, None, stream, folder, archive)]
    except BROKEN as error:
        met, todo = f"a broken archive ({error})", "Delete it and download it again"
        raise DataError(sentence(str(archive), met, "a whole archive", todo)) from error
    raise DataError(sentence(str(archive), f"an archive of kind {archive.suffix!r}", "tar, zip, gz or xz"))


def _zip_members(whole: zipfile.ZipFile) -> Iterator[tuple[str, int, IO[bytes]]]:
    for info in whole.infolist():
        if not info.is_dir():
            with whole.open(info) as stream:
                yield info.filename, info.file_size, stream


def _tar_members(whole: tarfile.TarFile, archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    for info in whole:
        if info.isdir():
            continue
        stream = whole.extractfile(info) if info.isfile() else None
        if stream is None:
            met = f"{info.name!r}, which is a link or a device"
            raise DataError(sentence(str(archive), met, "files and folders only", "Do not trust this archive"))
        with stream:
            yield info.name, info.size, stream


def _write(name: str, size: int | None, stream: IO[bytes], folder: Path, archive: Path) -> Path:
    target = folder / _inside(name, archive)
    if size is not None and target.is_file() and target.stat().st_size == size:
        return target
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as out:
            shutil.copyfileobj(stream, out)
        partial.replace(target)
    except OSError as error:
        if isinstance(error, BROKEN):
            raise
        raise DataError(sentence(str(archive), str(error), f"a folder {folder} that can be written")) from error
    return target


def _inside(name: str, archive: Path) -> PurePosixPath:
    """The member's path, refused if it could leave the folder on any system."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        todo = "Do not trust this archive"
        raise DataError(sentence(str(archive), f"the path {name!r}", "paths inside the folder", todo))
    return path

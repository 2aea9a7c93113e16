"""Download once: resume what is there, verify the checksum, only then give the file its name."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ..core.errors import DataError, sentence
from .root import data_root
from .spec import DatasetSpec, RemoteFile
from .unpack import is_archive, unpack

CHUNK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte until a connection counts as dead

Progress = Callable[[int, int | None], None]


def fetch_dataset(spec: DatasetSpec, root: Path | None = None, progress: Progress | None = None) -> Path:
    """Download all files of a dataset into `root/<name>/`, verify them, and unpack archives there.

    What is there already is verified and not downloaded again.

    Args:
        spec: the dataset.
        root: folder that holds datasets; None: see `data_root`.
        progress: called as progress(bytes so far, bytes in all or None) while a file arrives.

    Returns:
        The folder of the dataset.

    Raises:
        DataError: the dataset has no files to download; there is no network, no permission or no space; a
            file has the wrong checksum.
    """
    if not spec.files:
        todo = f"Get it by hand, see {spec.source}" if spec.source else "It is made, not downloaded"
        raise DataError(sentence(f"dataset {spec.name}", "no file to download", "a dataset with files", todo))
    folder = data_root(root) / spec.name
    for file in spec.files:
        path = fetch(file, folder, progress)
        if is_archive(path):
            unpack(path, folder)
    return folder


def fetch(file: RemoteFile, folder: Path, progress: Progress | None = None, timeout: float = TIMEOUT) -> Path:
    """Download one file, going on from what an earlier call left in `<name>.partial`.

    Args:
        file: address and checksum.
        folder: where the file goes; made if it does not exist.
        progress: called as progress(bytes so far, bytes in all or None).
        timeout: seconds without a byte until the connection counts as dead.

    Returns:
        The verified file.

    Raises:
        DataError: the address does not answer or lacks the file; the connection broke (call again to go on);
            the checksum is wrong; the folder cannot be written.
    """
    who, target = f"download of {file.name}", folder / file.name
    if target.exists():
        verify(target, file, "Delete the file and call again")
        return target
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise DataError(sentence(who, file.url, "an http or https address"))
    partial = target.with_name(target.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(who, file, partial, progress, timeout)
        try:
            verify(
                partial,
                file,
                "What had arrived was removed: call again, and if it stays, the source has changed",
            )
        except DataError:
            partial.unlink()
            raise
        partial.replace(target)
    except OSError as error:
        todo = "Check permission and free space, or name another folder"
        raise DataError(sentence(who, f"{error}", f"a folder {folder} that can be written", todo)) from error
    return target


def verify(path: Path, file: RemoteFile, todo: str) -> None:
    """Compare a file with its pinned checksum.

    Args:
        path: the copy on disk.
        file: the checksum it must have.
        todo: what to do if it differs.

    Raises:
        DataError: the checksum differs.
    """
    kind, expected = file.checksum
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != expected:
        raise DataError(sentence(str(path), f"{kind} {digest.hexdigest()}", f"{kind} {expected}", todo))


def _download(who: str, file: RemoteFile, partial: Path, progress: Progress | None, timeout: float) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    if start and start == file.size:
        return
    try:
        response = _open(file.url, start, timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                return  # nothing is left to ask for: the checksum decides
            allowed = "an address that has the file"
            raise DataError(sentence(who, f"HTTP {error.code} {error.reason} from {file.url}", allowed)) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        todo = f"Without a network, put the file into {partial.parent} by hand"
        raise DataError(sentence(who, f"no answer from {file.url} ({reason})", "a network", todo)) from error
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        done, total = start if resumed else 0, _total(response, start if resumed else 0)
        with partial.open("ab" if resumed else "wb") as out:
            done = _copy(who, response, out, done, total, progress)
    if total is not None and done != total:
        raise _broken(who, done, total)


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    return urllib.request.urlopen(request, timeout=timeout)


def _total(response: http.client.HTTPResponse, start: int) -> int | None:
    length = response.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


def _copy(
    who: str, response: IO[bytes], out: IO[bytes], done: int, total: int | None, progress: Progress | None
) -> int:
    while True:
        try:
            chunk = response.read(CHUNK)
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _broken(who, done, total) from error
        if not chunk:
            return done
        out.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)


def _broken(who: str, done: int, total: int | None) -> DataError:
    met = f"a connection that ended after {done:,} bytes"
    allowed = "the whole file" if total is None else f"{total:,} bytes"
    return DataError(sentence(who, met, allowed, "Call again: it goes on from there"))

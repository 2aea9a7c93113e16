"""The real images that travel inside the package, each file checked against its sha256."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from ..core.errors import DataError, sentence

ASSETS = Path(__file__).parent / "assets"


def read_asset(name: str, sha256: str, folder: Path = ASSETS) -> io.BytesIO:
    """Read a file of the package and verify it.

    Args:
        name: file name in the assets folder.
        sha256: the checksum it must have.
        folder: where to look; only tests name another.

    Raises:
        DataError: the file is missing or its checksum differs.
    """
    path, todo = folder / name, "Install the package again"
    if not path.is_file():
        raise DataError(sentence(f"asset {name}", f"no file {path}", "the file of the package", todo))
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DataError(sentence(f"asset {name}", f"sha256 {digest}", f"sha256 {sha256}", todo))
    return io.BytesIO(content)

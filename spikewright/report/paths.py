"""Paths in what others may read: short, without the names of private folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

# A path begins where a word begins, with "/", a drive, or two backslashes; web addresses do not count.
_ABSOLUTE = re.compile(r"""(?:(?<=^)|(?<=[\s=,;:'"(\[]))(?:/(?!/)|[A-Za-z]:[\\/]|\\\\)[^\s,;'")\]]+""")
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


def shorten(text: str) -> str:
    """Replace absolute paths in a text, and remove logins from web addresses.

    Below the current folder a path becomes relative, below the home folder it starts with "~", and of every
    other path "…/" and the last part remain.

    Example:
        >>> shorten("--data=/mnt/disk7/sets/cifar10")
        '--data=…/cifar10'
        >>> shorten("https://me:secret@host.org/a/b")
        'https://host.org/a/b'
    """
    return _ABSOLUTE.sub(lambda found: _short(found.group()), _LOGIN.sub("", text))


def shorten_all(value: Any) -> Any:
    """Shorten the texts of a nested structure of dicts and lists.

    Example:
        >>> shorten_all({"data": ["/mnt/sets/cifar10", 3]})
        {'data': ['…/cifar10', 3]}
    """
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, dict):
        return {key: shorten_all(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten_all(item) for item in value]
    return value


def _short(path: str) -> str:
    for folder, start in ((os.getcwd(), ""), (str(Path.home()), "~/")):  # noqa: PTH109
        if path == folder:
            return start.rstrip("/") or "."
        if len(folder) > 1 and path.startswith(folder.rstrip("/\\") + os.sep):
            return start + path[len(folder) + 1 :]
    parts = [part for part in re.split(r"[\\/]+", path) if part]
    return f"…/{parts[-1]}" if len(parts) > 1 else path

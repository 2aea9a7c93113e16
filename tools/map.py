"""Write docs/map.md: one line per file of the package, taken from the first line of its docstring."""

from __future__ import annotations

import ast
import sys
from itertools import groupby
from pathlib import Path

from page import ROOT, write_or_check

PACKAGE = ROOT / "spikewright"
HEAD = """# Map

One line per file, taken from the file itself. Written by `make docs`; do not edit.
"""


def caption(path: Path) -> str:
    """The first docstring line of a Python file, or an empty text."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"), str(path))) or ""
    return docstring.split("\n")[0]


def page() -> str:
    """The whole map: a section per folder, its own file first."""
    files = sorted(PACKAGE.rglob("*.py"), key=lambda path: (path.parent.parts, path.name != "__init__.py", path))
    text = HEAD
    for folder, members in groupby(files, key=lambda path: path.parent):
        text += f"\n## {folder.relative_to(ROOT).as_posix()}/\n\n| file | what for |\n| --- | --- |\n"
        for path in members:
            text += f"| `{path.name}` | {caption(path).replace('|', chr(92) + '|')} |\n"
    return text


if __name__ == "__main__":
    sys.exit(write_or_check(ROOT / "docs" / "map.md", page(), "make docs"))

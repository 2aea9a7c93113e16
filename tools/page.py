"""Write a generated file, or with --check say in one sentence that it is out of date and fail."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write_or_check(path: Path, text: str, how: str) -> int:
    """Bring a generated file up to date, or only compare it.

    Args:
        path: the generated file.
        text: what it should hold.
        how: the command that brings it up to date, for the message.

    Returns:
        Exit status: 0 when the file holds the text (now), 1 when --check found a difference.
    """
    parser = argparse.ArgumentParser(description=f"Write {path.relative_to(ROOT)}.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when it is out of date")
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not parser.parse_args().check:
        path.parent.mkdir(parents=True, exist_ok=True)
        if found != text:
            path.write_text(text, encoding="utf-8")
        return 0
    if found == text:
        return 0
    gone = sorted(set(found.splitlines()) - set(text.splitlines()))
    new = sorted(set(text.splitlines()) - set(found.splitlines()))
    for line in [f"- {line}" for line in gone] + [f"+ {line}" for line in new]:
        print(line, file=sys.stderr)
    print(f"{path.relative_to(ROOT)} is out of date; run: {how}", file=sys.stderr)
    return 1

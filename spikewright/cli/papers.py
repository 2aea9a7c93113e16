"""spikewright papers [QUERY]: search the papers that this project implements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from ..core.config import parse
from ..papers import COLUMNS, as_rows, nearest_authors, search
from ..report import Column, Table
from .show import say


@dataclass(frozen=True, kw_only=True)
class PapersRun:
    """What is looked for; all conditions hold together.

    Args:
        query: words that all occur in title, topics, summary, authors or short name.
        author: an author's full name, in any case.
        venue: a venue, with or without the year, e.g. ICLR or "ICLR 2024".
        year: year of publication.
    """

    query: str = ""
    author: str | None = None
    venue: str | None = None
    year: int | None = None


def entry(row: tuple[str, ...]) -> tuple[str, str]:
    """Id and all the rest of a paper below each other, as six columns do not fit side by side."""
    of = dict(zip(COLUMNS, row))
    lines = (of["title"], of["authors"], of["venue"], f"implemented: {of['implemented']}", of["command"].strip("-"))
    return of["id"], "\n".join(filter(None, lines)) + "\n"


def main(argv: Sequence[str]) -> int:
    """Print what is found; exit status 1 if nothing is."""
    words: list[str] = []
    rest = list(argv)
    while rest and not rest[0].startswith("-"):
        words.append(rest.pop(0))
    if words:
        rest += ["--query", " ".join(words)]
    config = parse(PapersRun, rest, {}, prog="spikewright papers [QUERY]")
    found = search(config.query, author=config.author, venue=config.venue, year=config.year)
    console = Console()
    if not found:
        say(console, "No paper fits.")
        if config.author is not None:
            say(console, f"Nearest authors: {', '.join(nearest_authors(config.author)) or 'none alike'}.")
        return 1
    console.print(Table("Papers", (Column("id"), Column("paper")), tuple(map(entry, as_rows(found)))).to_rich())
    if len(found) == 1:
        say(console, found[0].summary)
    return 0

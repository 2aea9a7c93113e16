"""Finding papers by word, author, venue and year, and showing them as rows of a table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

from spikewright.core.errors import ArgumentError, sentence

from .catalogue import load
from .records import Paper

COLUMNS = ("id", "title", "authors", "venue", "implemented", "command")
"""The headings of `as_rows`."""


def search(
    query: str = "", author: str | None = None, venue: str | None = None, year: int | None = None
) -> list[Paper]:
    """Papers that satisfy every given condition, oldest first; without conditions, all of them.

    Args:
        query: words that must all occur, in any order, in id, name, title, topics, summary or authors;
            case and accents do not matter.
        author: one full name, such as "Tong Bu"; case and accents do not matter. `nearest_authors` helps when
            nothing is found.
        venue: "ICLR" or "ICLR 2024"; case does not matter.
        year: year of publication.

    Returns:
        The papers found; an empty list when there is none.

    Raises:
        ArgumentError: author or venue is empty, or year is not a whole number.

    Example:
        >>> [paper.id for paper in search(author="tong bu", venue="ICLR 2022")]
        ['qcfs']
    """
    for name, value in (("author", author), ("venue", venue)):
        if value is not None and not value.strip():
            raise ArgumentError(sentence(f"papers.search {name}", repr(value), "a name, or None for any"))
    if year is not None and (isinstance(year, bool) or not isinstance(year, int)):
        raise ArgumentError(sentence("papers.search year", repr(year), "a whole number, or None for any"))
    words = _fold(query).split()
    return [
        paper
        for paper in load()
        if all(word in _text(paper) for word in words)
        and (author is None or _fold(author) in map(_fold, paper.authors))
        and (venue is None or _fold(venue) in (_fold(paper.venue), _fold(f"{paper.venue} {paper.year}")))
        and (year is None or year == paper.year)
    ]


def nearest_authors(name: str, count: int = 3) -> list[str]:
    """Authors of the catalogue whose names look most like the given one.

    Args:
        name: a misspelt name, a single part of one, or its parts in another order.
        count: how many names at most.

    Returns:
        Full names, most alike first; empty when nothing is alike.

    Example:
        >>> nearest_authors("Bu, Tong", count=1)
        ['Tong Bu']
    """
    authors = sorted({author for paper in load() for author in paper.authors})
    alike = [(-_likeness(_fold(name), _fold(author)), author) for author in authors]
    return [author for score, author in sorted(alike) if score <= -0.75][:count]


def as_rows(papers: Iterable[Paper]) -> list[tuple[str, ...]]:
    """Rows of text for a terminal table, one per paper, in the order of `COLUMNS`.

    Example:
        >>> as_rows(search("qcfs", year=2022))[0][:1]
        ('qcfs',)
    """
    return [
        (
            paper.id,
            paper.title,
            ", ".join(paper.authors),
            f"{paper.venue} {paper.year}",
            ", ".join(name.rsplit(".", 1)[-1] for name in paper.implemented) or "not yet",
            paper.command or "-",
        )
        for paper in papers
    ]


def _text(paper: Paper) -> str:
    return _fold(" ".join((paper.id, paper.name, paper.title, *paper.topics, paper.summary, *paper.authors)))


def _fold(text: str) -> str:
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(bare.casefold().split())


def _likeness(asked: str, author: str) -> float:
    parts = asked.replace(",", " ").split()
    wanted = author.split()
    if parts and set(parts) <= set(wanted):
        return 1.0  # a family name alone, or given and family name swapped
    whole = SequenceMatcher(None, " ".join(sorted(parts)), " ".join(sorted(wanted))).ratio()
    single = max((SequenceMatcher(None, asked, part).ratio() for part in wanted), default=0.0)
    return max(whole, 0.9 * single)

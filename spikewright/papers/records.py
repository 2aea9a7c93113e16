"""What a paper, a published figure and a number of our own are, and how the two are put side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spikewright.core.errors import DataError, sentence

EVIDENCE: Mapping[str, str] = {
    "paper": "read in the paper itself",
    "abstract": "read in the abstract of the paper",
    "authors": "published by the authors beside the paper (README, log, repository figures)",
    "later paper": "quoted by a later paper",
    "summary": "taken from a summary by others; weak",
}
"""What a published figure rests on, strongest first."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A published number. `dataset` and `network` are None where the source does not name them."""

    dataset: str | None
    network: str | None
    setting: str
    metric: str
    value: float
    evidence: str
    source: str
    spread: float | None = None

    def __post_init__(self) -> None:
        if self.evidence not in EVIDENCE:
            allowed = ", ".join(EVIDENCE)
            raise DataError(sentence("papers, a figure's evidence", repr(self.evidence), f"one of: {allowed}"))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number of this project, and the result file that holds it."""

    dataset: str
    network: str
    setting: str
    metric: str
    value: float
    result_file: str
    spread: float | None = None


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper: who wrote it, what it says in our words, what of it exists here, and its numbers."""

    id: str
    name: str
    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    doi: str | None
    arxiv: str | None
    openreview: str | None
    code: tuple[str, ...]
    related: tuple[str, ...]
    topics: tuple[str, ...]
    summary: str
    implemented: tuple[str, ...]
    command: str | None
    published: tuple[Figure, ...]
    ours: tuple[Measured, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.id):
            raise DataError(sentence("papers, id", repr(self.id), "small letters, digits and underscores"))
        if not 1990 <= self.year <= 2100:
            raise DataError(sentence(f"papers, {self.id}.year", str(self.year), "a year from 1990 to 2100"))
        for name in ("authors", "topics"):
            if not getattr(self, name):
                raise DataError(sentence(f"papers, {self.id}.{name}", "an empty list", "at least one entry"))
        cases = [_case(number) for number in self.ours]
        if len(set(cases)) < len(cases):
            raise DataError(sentence(f"papers, {self.id}.ours", "one case twice", "one number per case"))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A published figure and the number of this project for the same case; one of the two may be missing."""

    published: Figure | None
    ours: Measured | None


def compare(paper: Paper) -> list[Comparison]:
    """Put published figures and ours side by side.

    Args:
        paper: a record of the catalogue.

    Returns:
        One row per published figure, in the order of the catalogue, then our numbers without a counterpart.
        Two numbers belong together when data set, network, setting and metric are equal.
    """
    ours = {_case(number): number for number in paper.ours}
    rows = [Comparison(published=figure, ours=ours.get(_case(figure))) for figure in paper.published]
    known = {_case(figure) for figure in paper.published}
    return rows + [Comparison(published=None, ours=number) for case, number in ours.items() if case not in known]


def _case(number: Figure | Measured) -> tuple[str | None, ...]:
    return (number.dataset, number.network, number.setting, number.metric)

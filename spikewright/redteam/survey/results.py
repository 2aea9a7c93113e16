"""What people answered: tables by method and trojan, and every answer as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ...report import Report
from ...report.table import Column, Table
from ...train.evaluate import wilson
from .store import Answer, Store
from .study import Study, StudyQuestion, load_study

TWIN = "twin"
"""The name of the network without a trojan, whose column stands beside the others."""


@dataclass(frozen=True, kw_only=True)
class _Counted:
    right: int
    answers: int
    seconds: tuple[float, ...]

    @property
    def share(self) -> float | None:
        return self.right / self.answers if self.answers else None

    @property
    def ends(self) -> tuple[float | None, float | None]:
        return wilson(self.right, self.answers) if self.answers else (None, None)

    @property
    def typical(self) -> float | None:
        return median(self.seconds) if self.seconds else None


def results(folder: Path) -> tuple[Table, ...]:
    """Read the answers of a study, also while it is being served.

    Returns:
        By method; by method and trojan; who took part.

    Raises:
        DataError: if the study or its answers cannot be used.
    """
    study = load_study(folder)
    store = Store(study)
    try:
        return results_tables(study, store)
    finally:
        store.close()


def results_tables(study: Study, store: Store) -> tuple[Table, ...]:
    """The tables of `results`, of an open store."""
    answers, failed = store.answers(), _inattentive(study, store.answers())
    counted = [each for each in answers if each.rater not in failed]
    return _by_method(study, counted), _by_trojan(study, counted), _raters(study, store, answers, failed)


def results_page(study: Study, store: Store) -> str:
    """The tables as a page that needs nothing else."""
    summary = "Which option people chose who saw what a tool made."
    return Report(f"Results: {study.title}", summary, tables=results_tables(study, store)).to_html()


def answers_csv(study: Study, store: Store) -> str:
    """Every answer in a line: number of the rater, what was asked, what was chosen, how long it took."""
    questions, failed = {each.id: each for each in study.questions}, _inattentive(study, store.answers())
    file = io.StringIO()
    write = csv.writer(file, lineterminator="\n").writerow
    write(
        ("rater", "attentive", "question", "method", "network", "trojan", "chosen", "right", "place", "seconds", "at")
    )
    for each in store.answers():
        asked = questions[each.question]
        write((
            each.rater, int(each.rater not in failed), asked.id, asked.method, asked.network, asked.trojan,
            asked.names[each.choice], int(each.choice == asked.truth), each.place + 1,
            "" if each.seconds is None else f"{each.seconds:.3f}", f"{each.at:.3f}",
        ))  # fmt: skip
    return file.getvalue()


def _inattentive(study: Study, answers: Iterable[Answer]) -> set[int]:
    """Numbers of the raters who got an attention check wrong."""
    checks = {each.id: each.truth for each in study.questions if each.attention}
    return {each.rater for each in answers if each.question in checks and each.choice != checks[each.question]}


def _count(answers: Iterable[Answer], questions: Iterable[StudyQuestion]) -> _Counted:
    truths = {each.id: each.truth for each in questions}
    found = [each for each in answers if each.question in truths]
    return _Counted(
        right=sum(each.choice == truths[each.question] for each in found),
        answers=len(found),
        seconds=tuple(each.seconds for each in found if each.seconds is not None),
    )


def _by_trojan(study: Study, answers: list[Answer]) -> Table:
    rows = []
    for asked in study.questions:
        if asked.attention:
            continue
        found = _count(answers, [asked])
        twin = [
            each for each in study.questions
            if (each.method, each.trojan, each.network) == (asked.method, asked.trojan, TWIN)
        ]  # fmt: skip
        rows.append((
            asked.method, asked.network, asked.trojan, found.answers, found.share, *found.ends,
            _count(answers, twin).share, 1 / len(asked.options), found.typical,
        ))  # fmt: skip
    columns = (
        Column("method"), Column("network"), Column("trojan"), Column("raters"), Column("right", "%", 1),
        Column("low", "%", 1), Column("high", "%", 1, "ends of the 95 % Wilson interval"),
        Column("right on the twin", "%", 1, "the same method on a network without the trojan, where people were asked"),
        Column("chance", "%", 1), Column("time", "s", 1, "median from the page's first sight to the answer"),
    )  # fmt: skip
    return Table("Answers by trojan", columns, tuple(rows), _who(answers))


def _by_method(study: Study, answers: list[Answer]) -> Table:
    rows = []
    for method, network in dict.fromkeys(each.condition for each in study.questions if not each.attention):
        asked = [each for each in study.questions if each.condition == (method, network) and not each.attention]
        found = [_count(answers, [each]) for each in asked]
        shares = [each.share for each in found if each.share is not None]
        whole = _count(answers, asked)
        ids = {each.id for each in asked}
        rows.append((
            method, network, len(asked), len({each.rater for each in answers if each.question in ids}), whole.answers,
            sum(shares) / len(shares) if shares else None, *whole.ends, whole.typical,
        ))  # fmt: skip
    columns = (
        Column("method"), Column("network"), Column("trojans"), Column("raters"), Column("answers"),
        Column("right", "%", 1, "plain mean over the trojans"), Column("low", "%", 1),
        Column("high", "%", 1, "ends of the 95 % Wilson interval over all answers, as if they were independent"),
        Column("time", "s", 1, "median of an answer"),
    )  # fmt: skip
    return Table("Answers by method", columns, tuple(rows), _who(answers))


def _raters(study: Study, store: Store, answers: Iterable[Answer], failed: set[int]) -> Table:
    raters = store.raters()
    given: dict[int, int] = {}
    for each in answers:
        given[each.rater] = given.get(each.rater, 0) + 1
    finished = sum(given.get(each.number, 0) == len(study.of(each.condition)) for each in raters)
    rows = (
        ("began", len(raters)), ("gave an answer", len(given)), ("finished", finished),
        ("failed an attention check", len(failed)), ("answers", sum(given.values())),
    )  # fmt: skip
    said = "Whoever failed an attention check is left out of the other tables, with all answers."
    return Table("Who took part", (Column("what"), Column("number")), rows, said)


def _who(answers: Iterable[Answer]) -> str:
    return f"Answers of {len({each.rater for each in answers})} people who passed every attention check they met."

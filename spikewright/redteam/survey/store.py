"""Answers in SQLite: committed to the disk before they are acknowledged, each once per rater and question."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...core.errors import DataError, sentence
from .study import ANSWERS, Study

_TABLES = """
CREATE TABLE IF NOT EXISTS study (sha256 TEXT NOT NULL, key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raters (
  number INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, method TEXT NOT NULL, network TEXT NOT NULL,
  started REAL NOT NULL, practised INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS shown (
  rater INTEGER NOT NULL REFERENCES raters, question TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (rater, question)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  rater INTEGER NOT NULL REFERENCES raters, question TEXT NOT NULL, choice INTEGER NOT NULL, place INTEGER NOT NULL,
  at REAL NOT NULL, seconds REAL, PRIMARY KEY (rater, question)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Rater:
    """Somebody who takes part; nothing is known but a number and a token.

    Args:
        number: 1, 2, ... in order of arrival.
        token: secret; who has it goes on as this rater.
        condition: method and network of the questions.
        practised: whether the practice question was answered.
    """

    number: int
    token: str
    condition: tuple[str, str]
    practised: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    Args:
        rater: number of the rater.
        question: its id.
        choice: the option chosen, its place in study.json.
        place: the place at which it stood on the rater's page.
        at: seconds since 1970.
        seconds: from the moment the page was first sent to the answer; None if that was not seen.
    """

    rater: int
    question: str
    choice: int
    place: int
    at: float
    seconds: float | None


class Store:
    """The answers of one study.

    One connection, one writer at a time. WAL with synchronous=FULL: a commit that has returned is on the disk, also if
    the process is killed or the power goes the moment after.

    Args:
        study: to which the answers belong.

    Raises:
        DataError: if the file belongs to another study, or cannot be used.
    """

    def __init__(self, study: Study) -> None:
        path = study.folder / ANSWERS
        self._study, self._lock = study, threading.Lock()
        try:
            self._base = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.execute("PRAGMA foreign_keys=ON")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            met = f"{path} that cannot be used ({error})"
            raise DataError(sentence("survey", met, "a file of answers that can be written")) from error
        with self._writing() as base:
            found = base.execute("SELECT sha256, key FROM study").fetchone()
            if found is None:
                found = (study.sha256, secrets.token_urlsafe(12))
                base.execute("INSERT INTO study VALUES (?, ?)", found)
        if found[0] != study.sha256:
            self.close()
            met, todo = f"{path} with answers to another study", "Restore the study, or move these answers away"
            raise DataError(sentence("survey", met, "answers to the questions and pictures as they are", todo))
        self.key: str = found[1]
        """Opens the results page."""

    def close(self) -> None:
        """Close the file; a store that is closed twice stays closed."""
        with self._lock:
            self._base.close()

    def join(self) -> Rater:
        """Let somebody begin, in the condition that has the fewest raters so far."""
        token, conditions = secrets.token_urlsafe(24), self._study.conditions
        with self._writing() as base:
            rows = base.execute("SELECT method, network, count(*) FROM raters GROUP BY method, network").fetchall()
            count = {(method, network): number for method, network, number in rows}
            condition = min(conditions, key=lambda each: count.get(each, 0))
            number = base.execute("SELECT coalesce(max(number), 0) + 1 FROM raters").fetchone()[0]
            row = (number, token, *condition, time.time())
            base.execute("INSERT INTO raters (number, token, method, network, started) VALUES (?, ?, ?, ?, ?)", row)
        return Rater(number=number, token=token, condition=condition, practised=False)

    def rater(self, token: str) -> Rater | None:
        """Who has this token, if anybody."""
        order = "SELECT number, method, network, practised FROM raters WHERE token = ?"
        with self._lock:
            found = self._base.execute(order, (token,)).fetchone()
        if found is None:
            return None
        return Rater(number=found[0], token=token, condition=(found[1], found[2]), practised=bool(found[3]))

    def practised(self, rater: Rater) -> None:
        """Remember that the practice question was answered."""
        with self._writing() as base:
            base.execute("UPDATE raters SET practised = 1 WHERE number = ?", (rater.number,))

    def answered(self, rater: Rater) -> set[str]:
        """The ids of the questions that a rater has answered."""
        with self._lock:
            rows = self._base.execute("SELECT question FROM answers WHERE rater = ?", (rater.number,)).fetchall()
        return {row[0] for row in rows}

    def show(self, rater: Rater, question: str) -> None:
        """Remember when a question was first shown."""
        with self._writing() as base:
            base.execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", (rater.number, question, time.time()))

    def answer(self, rater: Rater, question: str, choice: int, place: int) -> bool:
        """Store an answer and return once it is on the disk; False if there was one already, which stays."""
        now = time.time()
        with self._writing() as base:
            order = "SELECT at FROM shown WHERE rater = ? AND question = ?"
            shown = base.execute(order, (rater.number, question)).fetchone()
            seconds = max(0.0, now - shown[0]) if shown else None
            row = (rater.number, question, choice, place, now, seconds)
            return base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row).rowcount == 1

    def answers(self) -> tuple[Answer, ...]:
        """All answers, by rater and time."""
        order = "SELECT rater, question, choice, place, at, seconds FROM answers ORDER BY rater, at"
        with self._lock:
            rows = self._base.execute(order).fetchall()
        names = ("rater", "question", "choice", "place", "at", "seconds")
        return tuple(Answer(**dict(zip(names, row))) for row in rows)

    def raters(self) -> tuple[Rater, ...]:
        """Everybody who has begun."""
        with self._lock:
            rows = self._base.execute("SELECT number, token, method, network, practised FROM raters").fetchall()
        return tuple(
            Rater(number=row[0], token=row[1], condition=(row[2], row[3]), practised=bool(row[4])) for row in rows
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

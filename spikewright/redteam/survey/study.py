"""A study: a folder with study.json and pictures, checked as a whole before anybody is asked."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...core.errors import DataError, sentence
from ...report import ReportError
from ...report.strict_json import loads

FILE = "study.json"
ANSWERS = "answers.sqlite"
FORMAT = 1
OPTIONS = range(2, 10)
"""How many options a question may have; each has a digit key."""
MOST_BYTES = 4 << 20
"""Of one picture file."""
GROUPINGS = ("condition", "all")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.png")


@dataclass(frozen=True, kw_only=True)
class StudyQuestion:
    """One question of a study, as the server knows it.

    Args:
        id: unique in the study.
        method: what made the gallery.
        network: which network it looked into, e.g. "trojaned" or "twin".
        trojan: which trigger was looked for.
        gallery: picture files, as they are shown.
        options: picture files of the options.
        names: of the options; for results only, they never leave the server.
        truth: the place of the true option; it never leaves the server.
        attention: whether everybody who looks at it must know the answer.
    """

    id: str
    method: str
    network: str
    trojan: str
    gallery: tuple[str, ...]
    options: tuple[str, ...]
    names: tuple[str, ...]
    truth: int
    attention: bool = False

    @property
    def condition(self) -> tuple[str, str]:
        """Method and network: what one rater sees of, where raters are divided."""
        return self.method, self.network


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A checked study with its pictures in memory.

    Args:
        folder: where it lies.
        title: heading of its pages.
        seed: of every order.
        grouping: "condition": a rater sees one method on one network; "all": everything.
        practice: a question that does not count; its answer is told.
        questions: those that count, and the attention checks.
        pictures: content of every file, by name.
        sha256: of study.json and all pictures; answers belong to it.
    """

    folder: Path
    title: str
    seed: int
    grouping: str
    practice: StudyQuestion
    questions: tuple[StudyQuestion, ...]
    pictures: Mapping[str, bytes]
    sha256: str

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """What raters are divided over, in order of appearance; one empty name where they are not."""
        if self.grouping == "all":
            return (("", ""),)
        return tuple(dict.fromkeys(each.condition for each in self.questions if not each.attention))

    def of(self, condition: tuple[str, str]) -> tuple[StudyQuestion, ...]:
        """The questions of one condition, with all attention checks."""
        return tuple(
            each for each in self.questions if each.attention or self.grouping == "all" or each.condition == condition
        )

    def address(self, name: str) -> str:
        """Under which name a picture is served: neither its file's name nor its order tells anything."""
        return hashlib.sha256(f"{self.sha256} {name}".encode()).hexdigest()[:24]


def load_study(folder: Path) -> Study:
    """Read and check a study.

    Raises:
        DataError: for a study that cannot be run as it is: study.json missing or broken, a picture missing, no PNG
            or too large, an id twice, a truth outside the options, or options that look the same.
    """
    path = folder / FILE
    if not path.is_file():
        todo = "Run `spikewright redteam`, or write one with write_study(folder, questions)"
        raise DataError(sentence("survey", f"no {FILE} in {folder}", "the folder of a study", todo))
    text = path.read_bytes()
    try:
        data = loads(text.decode("utf-8"), str(path))
    except (ReportError, UnicodeDecodeError) as error:
        raise DataError(str(error)) from error
    try:
        if data["format"] != FORMAT:
            raise DataError(sentence(str(path), f"format {data['format']!r}", f"format {FORMAT}"))
        practice = _question(data["practice"], path)
        questions = tuple(_question(each, path) for each in data["questions"])
        title, seed, grouping = str(data["title"]), int(data["seed"]), data["grouping"]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        met = f"a part that is missing or does not fit ({type(error).__name__}: {error})"
        raise DataError(sentence(str(path), met, "what write_study writes", "Write the study anew")) from error
    _check(path, practice, questions, grouping)
    names = sorted({name for each in (practice, *questions) for name in (*each.gallery, *each.options)})
    pictures = {name: _picture(folder, name) for name in names}
    _check_options(path, (practice, *questions), pictures)
    digest = hashlib.sha256(text)
    for name in names:
        digest.update(hashlib.sha256(pictures[name]).digest())
    return Study(
        folder=folder, title=title, seed=seed, grouping=grouping, practice=practice, questions=questions,
        pictures=pictures, sha256=digest.hexdigest(),
    )  # fmt: skip


def _question(data: Mapping[str, Any], path: Path) -> StudyQuestion:
    found = StudyQuestion(
        id=str(data["id"]), method=str(data["method"]), network=str(data["network"]), trojan=str(data["trojan"]),
        gallery=tuple(map(str, data["gallery"])), options=tuple(map(str, data["options"])),
        names=tuple(map(str, data["names"])), truth=data["truth"], attention=bool(data.get("attention", False)),
    )  # fmt: skip
    who = f"{path}, question {found.id!r}"
    if len(found.options) not in OPTIONS or len(found.names) != len(found.options):
        met = f"{len(found.options)} options with {len(found.names)} names"
        raise DataError(sentence(who, met, f"{OPTIONS[0]} to {OPTIONS[-1]} options, each with a name"))
    if type(found.truth) is not int or not 0 <= found.truth < len(found.options):
        raise DataError(sentence(f"{who}, truth", repr(found.truth), f"a place from 0 to {len(found.options) - 1}"))
    if not found.gallery:
        raise DataError(sentence(f"{who}, gallery", "no picture", "at least one"))
    return found


def _check(path: Path, practice: StudyQuestion, questions: tuple[StudyQuestion, ...], grouping: Any) -> None:
    ids = [each.id for each in questions]
    if not any(not each.attention for each in questions):
        raise DataError(sentence(str(path), "no question", "at least one that is no attention check"))
    twice = sorted({name for name in ids if ids.count(name) > 1} | ({practice.id} & set(ids)))
    if twice or "" in ids:
        raise DataError(sentence(str(path), f"ids that are empty or come twice: {twice}", "one id for each question"))
    if grouping not in GROUPINGS:
        raise DataError(sentence(f"{path}, grouping", repr(grouping), " or ".join(map(repr, GROUPINGS))))


def _picture(folder: Path, name: str) -> bytes:
    path = folder / name
    if not _NAME.fullmatch(name):
        raise DataError(sentence("survey", f"the picture name {name!r}", "the plain name of a PNG file in the folder"))
    if not path.is_file():
        raise DataError(sentence("survey", f"no picture {path}", "every picture that study.json names"))
    content = path.read_bytes()
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"{len(content):,} bytes, more than {MOST_BYTES:,}")
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            image.verify()
    except Exception as error:
        raise DataError(sentence("survey", f"{path} that cannot be shown ({error})", "a PNG picture")) from error
    return content


def _check_options(path: Path, questions: tuple[StudyQuestion, ...], pictures: Mapping[str, bytes]) -> None:
    for each in questions:
        if len({pictures[name] for name in each.options}) != len(each.options):
            met = "two options with the same picture"
            raise DataError(sentence(f"{path}, question {each.id!r}", met, "options that differ"))

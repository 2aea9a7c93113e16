"""Write a study from galleries and questions; what is written can be served as it is."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from ...core.errors import ArgumentError, DataError, sentence
from ...report.atomic import write_atomic
from ...report.strict_json import dumps
from ..judge.options import Question, check_pictures
from .shapes import SHAPES, shape, sketch
from .study import ANSWERS, FILE, FORMAT, GROUPINGS, Study, StudyQuestion, load_study

SHOWN = 10
"""Sketches in a drawn question."""
PRACTICE = "practice"
PRACTICE_NOISE, ATTENTION_NOISE = 0.6, 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """One gallery with the question to ask about it.

    Args:
        method: what made it.
        network: which network it looked into, e.g. "trojaned", or "twin" for the control.
        trojan: which trigger was looked for.
        gallery: [n, 3, h, w] in 0..1.
        question: the options; of one with several pictures the first is shown.
    """

    method: str
    network: str
    trojan: str
    gallery: Tensor
    question: Question


def write_study(
    folder: Path, shown: Sequence[Shown], *, title: str, seed: int = 0, grouping: str = "condition", attention: int = 1
) -> Study:
    """Write study.json and its pictures into a folder, with a drawn practice question and drawn attention checks.

    Args:
        folder: made if it is not there; must not hold a study or answers.
        shown: what is asked, one for each method, network and trojan.
        title: heading of the pages.
        seed: of every order and drawing.
        grouping: "condition": each rater sees one method on one network, as in the source; "all": everything.
        attention: how many attention checks each rater meets, 0 to 4.

    Returns:
        The study, read back and checked.

    Raises:
        ArgumentError: for nothing to ask, one question twice, or settings outside what is allowed.
        DataError: if the folder holds a study already.
    """
    names = [(each.method, each.network, each.trojan) for each in shown]
    if not shown or len(set(names)) != len(names):
        met = "none" if not shown else "a method, network and trojan that come twice"
        raise ArgumentError(sentence("write_study.shown", met, "each method, network and trojan once"))
    if not 0 <= attention <= 4 or grouping not in GROUPINGS:
        met = f"attention={attention}, grouping={grouping!r}"
        raise ArgumentError(sentence("write_study", met, f"0 to 4 checks, and one of {', '.join(GROUPINGS)}"))
    held = [name for name in (FILE, ANSWERS) if (folder / name).exists()]
    if held:
        raise DataError(sentence("write_study", f"{folder} with {', '.join(held)} in it", "an empty folder"))
    folder.mkdir(parents=True, exist_ok=True)
    questions = [_asked(folder, f"q{i + 1:03d}", each) for i, each in enumerate(shown)]
    # Called like the others, so that the page does not say which they are.
    ids = [f"q{len(shown) + i + 1:03d}" for i in range(attention)]
    checks = [_drawn(folder, name, seed, true, ATTENTION_NOISE) for name, true in zip(ids, SHAPES[1:])]
    content = {
        "format": FORMAT, "title": title, "seed": seed, "grouping": grouping,
        "practice": asdict(_drawn(folder, PRACTICE, seed, SHAPES[0], PRACTICE_NOISE)),
        "questions": [asdict(each) for each in (*questions, *checks)],
    }  # fmt: skip
    write_atomic(folder / FILE, dumps(content) + "\n")
    return load_study(folder)


def _asked(folder: Path, name: str, shown: Shown) -> StudyQuestion:
    check_pictures(shown.gallery, f"write_study, {shown.method} for {shown.trojan}")
    return StudyQuestion(
        id=name, method=shown.method, network=shown.network, trojan=shown.trojan,
        gallery=tuple(_stored(folder, _image(picture)) for picture in shown.gallery),
        options=tuple(_stored(folder, _image(option.pictures[0])) for option in shown.question.options),
        names=shown.question.names, truth=shown.question.truth,
    )  # fmt: skip


def _drawn(folder: Path, name: str, seed: int, true: str, noise: float) -> StudyQuestion:
    draw = random.Random(f"{seed} {name}")
    return StudyQuestion(
        id=name, method="drawn", network="", trojan=true,
        gallery=tuple(_stored(folder, sketch(true, draw, noise=noise)) for _ in range(SHOWN)),
        options=tuple(_stored(folder, shape(each)) for each in SHAPES),
        names=SHAPES, truth=SHAPES.index(true), attention=name != PRACTICE,
    )  # fmt: skip


def _image(picture: Tensor) -> Image.Image:
    pixels = (picture.detach().cpu() * 255).round().byte().permute(1, 2, 0).contiguous()
    return Image.fromarray(pixels.numpy())


def _stored(folder: Path, image: Image.Image) -> str:
    """Write a picture under a name made of its content, once, and return the name."""
    file = io.BytesIO()
    image.save(file, "PNG")
    name = f"{hashlib.sha256(file.getvalue()).hexdigest()[:20]}.png"
    if not (folder / name).exists():
        write_atomic(folder / name, file.getvalue())
    return name

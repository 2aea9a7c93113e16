"""The data file of the papers, read and checked before anybody sees it."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import resources
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from spikewright.core.errors import DataError, sentence

from .records import Paper

FILE = "catalogue.json"
WORDS = {str: "text that is not empty", int: "a whole number", float: "a finite number", NoneType: "null"}


def parse(text: str) -> tuple[Paper, ...]:
    """Read a catalogue and check every field of it.

    Args:
        text: JSON, an object whose only field `papers` is a list of records.

    Returns:
        The papers in the order of the text.

    Raises:
        DataError: not JSON, a missing or unknown field, a value of the wrong kind, or an id used twice.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(sentence(FILE, f"broken JSON at line {error.lineno}", "an object with 'papers'")) from None
    if not isinstance(raw, dict) or list(raw) != ["papers"] or not isinstance(raw["papers"], list):
        raise DataError(sentence(FILE, "another structure", "an object with one field, the list 'papers'"))
    papers = tuple(_build(Paper, item, f"papers[{place}]") for place, item in enumerate(raw["papers"]))
    ids = [paper.id for paper in papers]
    for repeated in sorted({name for name in ids if ids.count(name) > 1}):
        raise DataError(sentence(f"{FILE}, id", f"{repeated!r} twice", "one record per id"))
    return papers


@cache
def load() -> tuple[Paper, ...]:
    """The papers of this project, oldest first.

    Raises:
        DataError: the data file of the package is missing or broken.

    Example:
        >>> [paper.name for paper in load()][:2]
        ['OPI', 'QCFS']
    """
    try:
        text = resources.files("spikewright.papers").joinpath(FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = f"an unreadable file ({type(error).__name__})"
        raise DataError(sentence(FILE, what, "the data file of this package", "Install it again")) from None
    return tuple(sorted(parse(text), key=lambda paper: paper.year))


def _build(kind: type[Any], raw: object, where: str) -> Any:
    if not isinstance(raw, dict):
        raise DataError(sentence(f"{FILE}, {where}", type(raw).__name__, "an object with fields"))
    known = {field.name: field for field in fields(kind)}
    missing = [name for name, field in known.items() if name not in raw and field.default is MISSING]
    unknown = sorted(set(raw) - set(known))
    if missing or unknown:
        met = ", ".join([f"no {name!r}" for name in missing] + [f"an unknown {name!r}" for name in unknown])
        raise DataError(sentence(f"{FILE}, {where}", met, f"the fields {', '.join(known)}"))
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value, f"{where}.{name}") for name, value in raw.items()})


def _read(hint: Any, raw: object, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return _build(hint, raw, where)
    if get_origin(hint) is tuple and isinstance(raw, list):
        inner = get_args(hint)[0]
        return tuple(_read(inner, item, f"{where}[{place}]") for place, item in enumerate(raw))
    kinds = get_args(hint) if get_origin(hint) not in (None, tuple) else (hint,)
    if raw is None and NoneType in kinds:
        return None
    if str in kinds and isinstance(raw, str) and raw.strip():
        return raw
    if int in kinds and isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if float in kinds and isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
        return float(raw)
    allowed = " or ".join(WORDS.get(kind, "a list") for kind in kinds)
    raise DataError(sentence(f"{FILE}, {where}", repr(raw), allowed))

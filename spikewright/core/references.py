"""What a part's docstring says of itself: its first line and its source, for lists and reports."""

from __future__ import annotations

import inspect
import re
import sys


def summary_of(part: object) -> str:
    """The first sentence of a docstring's first paragraph, on one line."""
    first = (inspect.getdoc(part) or "").split("\n\n", 1)[0].split("Source:")[0]
    return " ".join(first.split())


def source_of(part: object) -> str:
    """The `Source:` of a part, on one line; empty if it names none.

    A neuron's module states no source of its own: the step function of the same file does.
    """
    found = _source(part)
    if found or not inspect.isclass(part):
        return found
    module = sys.modules[part.__module__]
    steps = [value for name, value in vars(module).items() if name.endswith("_step") and callable(value)]
    return next(filter(None, map(_source, steps)), "")


def _source(part: object) -> str:
    text = inspect.getdoc(part) or ""
    found = re.search(r"Source: (.*?)(?:\n\s*\n|\n\s+Differs:|\n\s*Example:|\Z)", text, re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""

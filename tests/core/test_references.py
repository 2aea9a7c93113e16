"""What a docstring says of itself: first sentence, source, and the step function that speaks for its neuron."""

from __future__ import annotations

import sys
from types import ModuleType

from spikewright.core.references import source_of, summary_of
from spikewright.neurons import LIF, lif


def short() -> None:
    """One line. Source: A. Author 2020, Venue 1."""


def long() -> None:
    """A summary that
    takes two lines.

    More of it.

    Source: A. Author 2020,
        "A Title", Venue 1(2).
        Differs: here it is shorter.

    Example:
        >>> 1
        1
    """


def followed() -> None:
    """Summary.

    Source: B. Author 2021, Venue 2.
    Example:
        >>> 2
        2
    """


def silent() -> None:
    """Nothing is cited here."""


class Bare:
    """A class whose file has no step."""


def test_summary_is_the_first_paragraph_on_one_line_without_its_source() -> None:
    assert summary_of(short) == "One line."
    assert summary_of(long) == "A summary that takes two lines."


def test_source_ends_before_differences_examples_and_empty_lines() -> None:
    assert source_of(short) == "A. Author 2020, Venue 1."
    assert source_of(long) == 'A. Author 2020, "A Title", Venue 1(2).'
    assert source_of(followed) == "B. Author 2021, Venue 2."


def test_no_source_is_an_empty_text() -> None:
    assert source_of(silent) == ""
    assert source_of(Bare) == ""
    assert summary_of(type("NoText", (), {"__doc__": None})) == ""


def test_a_module_has_a_summary_too() -> None:
    module = ModuleType("made", "What it is for.\n\nSource: C. Author 2022.")
    assert summary_of(module) == "What it is for."
    assert source_of(module) == "C. Author 2022."


def test_a_neuron_has_the_source_of_its_step() -> None:
    assert "Source:" not in (LIF.__doc__ or "")
    assert source_of(LIF) == source_of(lif.lif_step) != ""


def test_the_step_of_the_same_file_counts_only_for_classes() -> None:
    module = sys.modules[__name__]
    module.bare_step = short  # pyright: ignore[reportAttributeAccessIssue]
    try:
        assert source_of(Bare) == "A. Author 2020, Venue 1."
        assert source_of(silent) == ""
    finally:
        del module.bare_step  # pyright: ignore[reportAttributeAccessIssue]

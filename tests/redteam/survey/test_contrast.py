"""Contrast of the survey's pages after WCAG 2.1, level AA, on light and on dark."""

import re

import pytest

from spikewright.redteam.survey.pages import STYLE
from spikewright.report.palette import COLOURS


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Ratio from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [0, 1])
def test_words_and_borders_stand_out(dark: int) -> None:
    colour = {name: pair[dark] for name, pair in COLOURS.items()}
    for name in ("ink", "muted", "series-1"):  # text, hints and borders of options, links and what is chosen
        assert contrast(colour[name], colour["paper"]) >= 4.5, name
    assert contrast(colour["ink"], colour["faint"]) >= 4.5  # a note
    for found in re.findall(r"background: (#[0-9a-f]{6})", STYLE):  # buttons with white words
        assert contrast(found, "#ffffff") >= 4.5, found
        assert contrast(found, colour["paper"]) >= 2.9


def test_the_ratio_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1

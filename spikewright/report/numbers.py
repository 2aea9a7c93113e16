"""Numbers as people read them: one unit and one number of decimals for a whole column.

The convention, here and nowhere else: values are stored in plain units. A column with unit "%" holds
fractions (0.917) and is shown as per cent (91.7). A column with an SI unit holds that unit (0.0000123 J) and
is shown with the prefix that suits its largest value (12.30 µJ).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Cell = str | int | float | bool | None

MISSING = "–"
SI_UNITS = ("J", "s", "W", "V", "A", "Hz", "B")
SMALLEST = 1e-4
"""Automatic columns write smaller numbers with a power of ten."""
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def is_number(value: Cell) -> bool:
    """Say whether a cell is a number; True and False are not.

    Example:
        >>> is_number(0.5), is_number(True), is_number("7"), is_number(None)
        (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool)


def scale(values: Sequence[Cell], unit: str) -> tuple[float, str]:
    """Choose the factor and the unit in which a column is shown.

    Args:
        values: the column; what is not a finite number is ignored.
        unit: the unit in which it is stored.

    Returns:
        What to multiply by, and the unit of the product.

    Example:
        >>> scale([0.5, 1.0], "%")
        (100.0, '%')
        >>> scale([2e-5, 3e-6], "J")
        (1000000.0, 'µJ')
        >>> scale([3], "spikes")
        (1.0, 'spikes')
    """
    if unit == "%":
        return 100.0, unit
    sizes = [abs(value) for value in _finite(values) if value]
    if unit not in SI_UNITS or not sizes:
        return 1.0, unit
    exponent = min(max(3 * math.floor(math.log10(max(sizes)) / 3), min(_PREFIXES)), max(_PREFIXES))
    return 10.0**-exponent, _PREFIXES[exponent] + unit


def format_column(values: Sequence[Cell], unit: str = "", digits: int | None = None) -> tuple[str, list[str]]:
    """Write a column so that its decimals align.

    Args:
        values: the cells as stored.
        unit: the unit in which they are stored; see the convention at the top of this file.
        digits: decimals after scaling; None takes one for "%", else four figures for the largest value.

    Returns:
        The unit in which the texts are, and one text per cell.

    Example:
        >>> format_column([0.639, 0.917, None], "%")
        ('%', ['63.9', '91.7', '–'])
        >>> format_column([40_813_184, 1_200])
        ('', ['40,813,184', '1,200'])
    """
    factor, shown_unit = scale(values, unit)
    finite = [value * factor for value in _finite(values)]
    largest = max((abs(value) for value in finite), default=0.0)
    whole = factor == 1.0 and all(float(value).is_integer() for value in finite)
    decimals = digits if digits is not None else 0 if whole else 1 if unit == "%" else _decimals(largest)
    group = largest >= 10_000
    return shown_unit, [_text(value, factor, decimals, digits is None, group) for value in values]


def _finite(values: Sequence[Cell]) -> list[float]:
    numbers = [float(value) for value in values if value is not None and is_number(value)]
    return [number for number in numbers if math.isfinite(number)]


def _decimals(largest: float) -> int:
    return min(max(3 - math.floor(math.log10(largest)), 0), 6) if largest else 1


def _text(value: Cell, factor: float, decimals: int, automatic: bool, group: bool) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "-∞"
    number = value if factor == 1.0 else value * factor
    if automatic and isinstance(number, float) and number and (abs(number) >= 1e15 or not round(number, decimals)):
        tiny = SMALLEST <= abs(number) < 1
        return f"{number:.{2 - math.floor(math.log10(abs(number)))}f}" if tiny else f"{number:.2e}"
    text = f"{number:,.{decimals}f}" if group else f"{number:.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text

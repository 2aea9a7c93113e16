"""One unit and one number of decimals for a whole column."""

import math

import pytest

from spikewright.report.numbers import format_column, scale


@pytest.mark.parametrize(
    ("values", "unit", "digits", "shown"),
    [
        ([0.639, 0.9174], "%", None, ("%", ["63.9", "91.7"])),
        ([0.639, 0.9174], "%", 2, ("%", ["63.90", "91.74"])),
        ([-0.0004], "%", None, ("%", ["-0.0400"])),
        ([0.25, 0.000488], "%", None, ("%", ["25.0", "0.0488"])),
        ([0.25, 0.0000011, 0.00000099], "%", None, ("%", ["25.0", "0.000110", "9.90e-05"])),
        ([-0.0004], "%", 1, ("%", ["0.0"])),
        ([1.5e-6, 2e-9], "J", None, ("µJ", ["1.500", "0.002"])),
        ([1.5e-6], "J", 1, ("µJ", ["1.5"])),
        ([2.5e7], "B", None, ("MB", ["25.00"])),
        ([0.0], "J", None, ("J", ["0"])),
        ([1, 32], "", None, ("", ["1", "32"])),
        ([9_999, 2], "", None, ("", ["9999", "2"])),
        ([10_000, 2_000], "", None, ("", ["10,000", "2,000"])),
        ([2.3026, 0.01], "", None, ("", ["2.303", "0.010"])),
        ([2.3026, 1e-7], "", None, ("", ["2.303", "1.00e-07"])),
        ([math.nan, math.inf, -math.inf], "", None, ("", ["nan", "∞", "-∞"])),
        ([True, False, None, "a"], "", None, ("", ["yes", "no", "–", "a"])),
        ([123_456.78], "", 2, ("", ["123,456.78"])),
        ([10**20], "", None, ("", ["100,000,000,000,000,000,000"])),
        ([1e20], "", None, ("", ["1.00e+20"])),
        ([], "J", None, ("J", [])),
    ],
)
def test_columns_as_people_read_them(values, unit, digits, shown) -> None:
    assert format_column(values, unit, digits) == shown


@pytest.mark.parametrize(("largest", "unit"), [(1e-20, "fJ"), (0.999, "mJ"), (1.0, "J"), (1e3, "kJ"), (1e20, "TJ")])
def test_prefix_follows_the_largest_value(largest: float, unit: str) -> None:
    factor, shown = scale([largest, largest / 1e4, None, "text"], "J")
    assert shown == unit
    assert factor == pytest.approx({"fJ": 1e15, "mJ": 1e3, "J": 1, "kJ": 1e-3, "TJ": 1e-12}[unit])

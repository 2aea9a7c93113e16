"""Columns of a table as the numbers and groups that plots draw."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spikewright.report.errors import ReportError
from spikewright.report.numbers import Cell, is_number
from spikewright.report.table import Table


def numbers(table: Table, name: str) -> list[float]:
    """Return a column as floats; a cell that is not known becomes nan.

    Raises:
        ReportError: for a cell that is text.

    Example:
        >>> from spikewright.report.table import Column
        >>> numbers(Table("A", (Column("T"),), ((1,), (None,))), "T")
        [1.0, nan]
    """
    cells = table.column(name)
    for row, cell in enumerate(cells):
        if cell is not None and not is_number(cell):
            raise ReportError(
                f"Table {table.title!r}, row {row}, column {name!r}: got {cell!r}; "
                "expected a number or None, because it is drawn. Name another column in the options."
            )
    return [math.nan if cell is None else float(cell) for cell in cells]


def groups(table: Table, name: str) -> dict[Cell, list[int]]:
    """Return which rows belong to each value of a column, in order of appearance.

    A table without that column is one group, named "".
    """
    if not table.has(name):
        return {"": list(range(len(table.rows)))} if table.rows else {}
    found: dict[Cell, list[int]] = {}
    for row, cell in enumerate(table.column(name)):
        found.setdefault(cell, []).append(row)
    return found


def naming(column: str, value: Cell) -> str:
    """Return how a group is called in a legend: a name stands alone, a number needs its column.

    Example:
        >>> naming("T", 8), naming("recipe", "QCFS")
        ('T = 8', 'QCFS')
    """
    return value if isinstance(value, str) else f"{column} = {'?' if value is None else value}"


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that can be drawn."""
    return [value for value in values if math.isfinite(value)]

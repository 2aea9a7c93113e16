"""What a terminal shows of a table: whole headings, the least needed columns left out first."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from spikewright.cli.show import fitting
from spikewright.report import Column, Table

COLUMNS = ("recipe", "T", "latency", "pipeline", "accuracy", "agreement", "spikes", "synops", "MACs", "ratio")


def table() -> Table:
    columns = tuple(Column(name) for name in COLUMNS)
    return Table("Result", columns, (("COS ANN", *(None,) * 9), ("COS", *(100,) * 9)))


@pytest.mark.parametrize(
    ("width", "gone"), [(200, ()), (80, ("MACs",)), (76, ("MACs", "synops")), (20, ("MACs", "synops", "spikes"))]
)
def test_columns_leave_until_headings_are_whole(width: int, gone: tuple[str, ...]) -> None:
    shown = fitting(table(), width)
    assert tuple(column.name for column in shown.columns) == tuple(name for name in COLUMNS if name not in gone)
    out = io.StringIO()
    rich = shown.to_rich()
    rich.padding = (0, 1, 0, 0)
    Console(file=out, width=width).print(rich)
    heading = next(line for line in out.getvalue().splitlines() if "recipe" in line or width == 20)
    assert width == 20 or all(name in heading for name in COLUMNS if name not in gone)

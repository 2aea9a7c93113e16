"""What a terminal shows of a table: whole headings, the least needed columns left out first."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from spikewright.cli.show import fitting, show
from spikewright.report import Column, Report, RunFolder, Table

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


def test_a_long_name_is_wrapped_and_said_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = "DCGS firing=SingleThreshold() coding=rate signed=False"
    columns = tuple(Column(heading) for heading in ("recipe", "threshold", "T", "accuracy", "ratio"))
    rows = tuple((name, "Percentile 99.9 per channel", t, 0.1 * t, 0.5) for t in (1, 2, 4))
    report = Report("Sweep", "A summary.", tables=(Table("Sweep", columns, rows, caption="A summary."),))
    show(report, RunFolder.create(tmp_path, "sweep", {}, {}))
    text = capsys.readouterr().out
    assert text.count("firing=SingleThreshold()") == text.count("coding=rate") == text.count("per channel") == 1
    assert all(heading in text for heading in ("accuracy", "ratio"))
    assert max(map(len, text.splitlines()[:9])) <= 80

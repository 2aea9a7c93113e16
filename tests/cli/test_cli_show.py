"""What a terminal shows of a table: whole headings, the least needed columns left out first."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from spikewright.cli.show import fitting, laid_out, show
from spikewright.report import Column, Report, RunFolder, Table

COLUMNS = ("recipe", "T", "latency", "pipeline", "accuracy", "agreement", "spikes", "synops", "MACs", "ratio")


def table() -> Table:
    columns = tuple(Column(name) for name in COLUMNS)
    return Table("Result", columns, (("COS ANN", *(None,) * 9), ("COS", *(100,) * 9)))


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        (200, ()),
        (80, ("MACs",)),
        (76, ("MACs", "synops")),
        (20, tuple(name for name in COLUMNS if name not in ("recipe", "T", "accuracy"))),
    ],
)
def test_columns_leave_until_headings_are_whole(width: int, gone: tuple[str, ...]) -> None:
    shown = fitting(table(), width)
    assert tuple(column.name for column in shown.columns) == tuple(name for name in COLUMNS if name not in gone)
    out = io.StringIO()
    Console(file=out, width=width).print(laid_out(table(), width))
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


@pytest.mark.parametrize("width", [60, 80])
def test_no_word_of_a_heading_is_broken(width: int) -> None:
    """As of a recipe whose result has two columns more, with the units and the digits of a real one."""
    names = {"recipe": "", "T": "", "accuracy": "%", "agreement": "%", "spikes": "", "synops": "M", "MACs": "M"}
    names |= {"ratio": "", "synops per bit": "M", "ratio per bit": ""}
    rows = (
        ("HMT ANN", None, 0.9234, *[None] * 7),
        ("HMT", 32, 0.9234, 0.9876, 12.345, 123.45, 41.2, 0.123, 234.56, 0.2),
    )
    wide = Table("Result", tuple(Column(name, unit) for name, unit in names.items()), rows)
    out = io.StringIO()
    Console(file=out, width=width).print(laid_out(wide, width))
    lines = out.getvalue().splitlines()
    words = {word for line in lines for word in line.split()}
    kept = fitting(wide, width).columns
    assert {"recipe", "T", "accuracy"} <= {column.name for column in kept}
    assert {word for column in kept for word in column.name.split()} <= words
    assert max(map(len, lines)) <= width


def test_words_of_a_heading_are_whole_behind_columns_that_could_be_wider() -> None:
    names = ("trojan", "kind", "scope", "target", "pictures", "success", "twin", "leak", "wrong trigger")
    columns = tuple(Column(name, "%" if name in ("success", "twin", "leak", "wrong trigger") else "") for name in names)
    rows = (("rosettes", "natural", "universal", 4, 400, 0.848, 0.005, None, 0.07),)
    out = io.StringIO()
    Console(file=out, width=80).print(laid_out(Table("Implanted trojans", columns, rows), 80))
    assert all(word in out.getvalue() for word in (*names[:-1], "wrong", "trigger", "84.8"))
    assert max(map(len, out.getvalue().splitlines())) <= 80

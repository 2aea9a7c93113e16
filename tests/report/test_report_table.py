"""Tables keep their numbers exactly and show them readably."""

import csv
import io
import math

import numpy as np
import pytest
from rich.console import Console

from spikewright.report import Column, ReportError, Table
from spikewright.report.strict_json import dumps, loads


def small() -> Table:
    return Table(
        "Accuracy",
        (Column("recipe"), Column("T"), Column("accuracy", "%"), Column("energy", "J", note="per image")),
        (("QCFS", 1, 0.639, 3.2e-6), ("QCFS", 32, 0.917, 1.27e-4), ("ANN", None, 0.9182, None)),
        caption="1,000 images.",
        notes=("A note.",),
    )


def test_markdown_shows_per_cent_and_a_common_prefix() -> None:
    assert small().to_markdown() == (
        "### Accuracy\n\n1,000 images.\n\n"
        "| recipe | T | accuracy [%] | energy [µJ] |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| QCFS | 1 | 63.9 | 3.2 |\n"
        "| QCFS | 32 | 91.7 | 127.0 |\n"
        "| ANN | – | 91.8 | – |\n\n"
        "- energy: per image\n- A note."
    )


def test_markdown_escapes_what_would_break_the_table() -> None:
    table = Table("A", (Column("name|x"),), (("a|b",), ("<lambda>",), ("two\nlines",)))
    assert table.to_markdown(heading="").splitlines() == [
        "| name\\|x |",
        "| --- |",
        "| a\\|b |",
        "| &lt;lambda> |",
        "| two lines |",
    ]


def test_markdown_limit_says_how_many_rows_there_are() -> None:
    text = small().to_markdown(limit=2)
    assert "The first 2 of 3 rows." in text
    assert "ANN" not in text


def test_csv_holds_stored_values_in_full() -> None:
    rows = list(csv.reader(io.StringIO(small().to_csv())))
    assert rows[0] == ["recipe", "T", "accuracy [fraction]", "energy [J]"]
    assert rows[3] == ["ANN", "", "0.9182", ""]
    assert float(rows[2][3]) == 1.27e-4


def test_json_round_trip_keeps_every_kind_of_cell() -> None:
    cells = ("NaN", "text", 1, 1.0, 0.1, math.inf, -math.inf, True, None)
    table = Table("A", tuple(Column(f"c{i}") for i in range(len(cells))), (cells,))
    back = Table.from_dict(loads(dumps(table.to_dict()), "table"))
    assert back == table
    assert [type(cell) for cell in back.rows[0]] == [type(cell) for cell in cells]
    nan = Table("A", (Column("x"),), ((math.nan,),))
    assert math.isnan(Table.from_dict(loads(dumps(nan.to_dict()), "table")).column("x")[0])  # type: ignore[arg-type]


def test_terminal_table_is_aligned_and_takes_names_as_they_are() -> None:
    table = Table("A [b]", (Column("layer"), Column("x", "%")), (("[red]conv", 0.5), ("b", 1.0)))
    console = Console(width=60, file=io.StringIO(), color_system=None)
    console.print(table.to_rich())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].strip() == "A [b]"
    first, second = (line for line in lines if ".0" in line)
    assert "[red]conv" in first
    assert first.index("50.0") == second.index("100.0") + 1


def test_numpy_scalars_become_python_numbers() -> None:
    table = Table("A", (Column("x"), Column("y")), ((np.float32(0.5), np.int64(3)),))
    assert table.rows == ((0.5, 3),)
    assert [type(cell) for cell in table.rows[0]] == [float, int]


def test_from_records_leaves_gaps() -> None:
    table = Table.from_records("A", [Column("epoch"), Column("loss")], [{"epoch": 1, "other": 2}, {"loss": 0.5}])
    assert table.rows == ((1, None), (None, 0.5))


def test_column_returns_cells_and_an_unknown_one_is_named() -> None:
    assert small().column("T") == (1, 32, None)
    with pytest.raises(ReportError, match=r"'Accuracy': got the column name 't'; expected one of 'recipe', 'T'"):
        small().column("t")


def test_empty_table_has_headings_everywhere() -> None:
    table = Table("A", (Column("x", "J"),), ())
    assert table.to_markdown(heading="").splitlines() == ["| x [J] |", "| --- |"]
    assert table.to_csv() == "x [J]\n"
    assert table.to_rich().row_count == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Column(" "), r"Column\.name: got ' '; expected a text"),
        (lambda: Column("x", digits=-1), r"Column\.digits: got -1; expected 0 to 15"),
        (lambda: Table("", (Column("x"),), ()), r"Table\.title: got ''"),
        (lambda: Table("A", (), ()), r"Table 'A': got the columns \[\]; expected different names"),
        (lambda: Table("A", (Column("x"), Column("x")), ()), r"\['x', 'x'\]; expected different names"),
        (lambda: Table("A", (Column("x"),), ((1,), (1, 2))), r"row 1: got 2 cells; expected 1, one for each"),
        (lambda: Table("A", (Column("x"),), (([1],),)), r"column 'x': got list; expected text"),  # type: ignore[arg-type]
        (lambda: Table.from_dict({"title": "A"}), r"record that does not fit \('columns'\)"),
    ],
)
def test_bad_tables_are_refused(make, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        make()

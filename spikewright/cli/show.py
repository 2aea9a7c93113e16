"""Printing a report on the terminal: its main table as far as it fits, its summary, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from ..report import Report, RunFolder, Table

LEFT_TO_THE_REPORT = ("low", "high", "energy", "activation", "rate", "saturated")
"""Columns that a terminal of 80 characters has no room for."""
LEFT_NEXT = ("MACs", "synops", "spikes")
"""Columns that are left to the report as well, in this order, while a heading would be broken."""
NAME_WIDTH = 26
"""Characters of the first column after which it is wrapped, so that the numbers behind it have room."""


def tell_folder(folder: RunFolder) -> None:
    """Print where a run is written, as soon as that is sure."""
    print(f"Run folder: {folder.path}", flush=True)


def show(report: Report, folder: RunFolder, *, tables: int = 1, left: Sequence[str] = LEFT_TO_THE_REPORT) -> None:
    """Print the first tables and the summary of a report, and the path of its page."""
    console = Console()
    for table in report.tables[:tables]:
        shown = fitting(_named_once(narrow(table, left)), console.width).to_rich()
        name = shown.columns[0]
        name.no_wrap = _widest(table, 0) <= NAME_WIDTH
        name.min_width = name.max_width = min(_widest(table, 0), NAME_WIDTH)
        shown.padding = (0, 1, 0, 0)  # with a margin on both sides the headings would be broken
        console.print(shown)
    if not any(report.summary in table.caption for table in report.tables[:tables]):
        say(console, report.summary)
    print(f"Report: {folder.path / 'report.html'}")


def say(console: Console, text: str) -> None:
    """Print a text of a report, wrapped at the width of the terminal, without its marks for bold."""
    console.print(text.replace("**", ""), markup=False, highlight=False)


def fitting(table: Table, width: int) -> Table:
    """A table without those of LEFT_NEXT that would have to go for no word of a heading to be broken."""
    for name in LEFT_NEXT:
        if _least_width(table) <= width:
            break
        table = narrow(table, (name,))
    return table


def _named_once(table: Table) -> Table:
    # rows that differ in T alone: what they are called, which may take several lines, in the first of them
    before = (None, *table.rows[:-1])
    rows = tuple(tuple(_unless_said(row, above)) for row, above in zip(table.rows, before))
    return Table(table.title, table.columns, rows, table.caption)


def _unless_said(row: Sequence[Any], above: Sequence[Any] | None) -> Iterator[Any]:
    said = above is not None
    for place, cell in enumerate(row):
        said = said and above is not None and isinstance(cell, str) and cell == above[place]
        yield "" if said else cell


def _widest(table: Table, place: int) -> int:
    return max((len(row[place]) for row in table.shown()[1]), default=0)


def _least_width(table: Table) -> int:
    heads, _ = table.shown()
    words = [max(map(len, column.heading(unit).split())) for column, unit in heads]
    cells = [_widest(table, place) for place in range(len(heads))]
    cells[0] = min(cells[0], NAME_WIDTH)
    return sum(max(pair) + 2 for pair in zip(words, cells)) + 1  # a rule and a margin beside each column


def narrow(table: Table, left: Sequence[str] = LEFT_TO_THE_REPORT) -> Table:
    """A table without the columns that are left to the report."""
    kept = [place for place, column in enumerate(table.columns) if column.name not in left]
    columns = tuple(table.columns[place] for place in kept)
    return Table(table.title, columns, tuple(tuple(row[place] for place in kept) for row in table.rows), table.caption)

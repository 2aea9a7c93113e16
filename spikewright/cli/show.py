"""Printing a report on the terminal: its main table as far as it fits, its summary, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..report import Report, RunFolder, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

LEFT_TO_THE_REPORT = ("low", "high", "energy", "activation", "rate", "saturated")
"""Columns that a terminal of 80 characters has no room for."""
LEFT_NEXT = ("MACs", "synops", "spikes")
"""Columns that are left to the report as well, in this order, while a heading would be broken."""
KEPT = ("T", "accuracy", "worst case")
"""Columns that stay however narrow the terminal is."""
NAME_WIDTH = 26
"""Characters of the first column after which it is wrapped, so that the numbers behind it have room."""


def tell_folder(folder: RunFolder) -> None:
    """Print where a run is written, as soon as that is sure."""
    print(f"Run folder: {folder.path}", flush=True)


def show(report: Report, folder: RunFolder, *, tables: int = 1, left: Sequence[str] = LEFT_TO_THE_REPORT) -> None:
    """Print the first tables and the summary of a report, and the path of its page."""
    console = Console()
    for table in report.tables[:tables]:
        console.print(laid_out(_named_once(narrow(table, left)), console.width))
    if not any(report.summary in table.caption for table in report.tables[:tables]):
        say(console, report.summary)
    print(f"Report: {folder.path / 'report.html'}")


def say(console: Console, text: str) -> None:
    """Print a text of a report, wrapped at the width of the terminal, without its marks for bold."""
    console.print(text.replace("**", ""), markup=False, highlight=False)


def laid_out(table: Table, width: int) -> RichTable:
    """The columns of a table that fit into a width, none narrower than the longest word of its heading or its cells."""
    table = fitting(table, width)
    shown, least = table.to_rich(), _least_widths(table)
    widths = _shared_out(least, _full_widths(table), width - _around(len(least)))
    for column, each in zip(shown.columns, widths):
        column.width = each  # left to itself rich narrows a column below its longest word before others
    name = shown.columns[0]
    name.no_wrap = _widest(table, 0) <= widths[0]
    shown.padding = (0, 1, 0, 0)  # with a margin on both sides the headings would be broken
    return shown


def _shared_out(least: Sequence[int], full: Sequence[int], room: int) -> list[int]:
    """Widths between the least and the full ones: what room is left goes to the columns from the left."""
    left = room - sum(least)
    widths = []
    for low, high in zip(least, full):
        more = max(0, min(high - low, left))
        widths.append(low + more)
        left -= more
    return widths


def fitting(table: Table, width: int) -> Table:
    """A table without the columns that would have to go for no word of a heading to be broken.

    Those of LEFT_NEXT go first, then the last ones; the first column and those of KEPT stay.
    """
    while _least_width(table) > width and len(table.columns) > 1:
        names = [column.name for column in table.columns]
        spare = [name for name in LEFT_NEXT if name in names] or [n for n in reversed(names[1:]) if n not in KEPT]
        if not spare:
            break
        table = narrow(table, spare[:1])
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


def _least_widths(table: Table) -> list[int]:
    heads, _ = table.shown()
    words = [max(map(len, column.heading(unit).split())) for column, unit in heads]
    cells = [_widest(table, place) for place in range(len(heads))]
    cells[0] = min(cells[0], NAME_WIDTH)
    return [max(pair) for pair in zip(words, cells)]


def _full_widths(table: Table) -> list[int]:
    heads, _ = table.shown()
    full = [max(len(column.heading(unit)), _widest(table, place)) for place, (column, unit) in enumerate(heads)]
    full[0] = max(_least_widths(table)[0], min(_widest(table, 0), NAME_WIDTH))
    return full


def _least_width(table: Table) -> int:
    least = _least_widths(table)
    return sum(least) + _around(len(least))


def _around(columns: int) -> int:
    return 2 * columns + 1  # a rule and a margin beside each column


def narrow(table: Table, left: Sequence[str] = LEFT_TO_THE_REPORT) -> Table:
    """A table without the columns that are left to the report."""
    kept = [place for place, column in enumerate(table.columns) if column.name not in left]
    columns = tuple(table.columns[place] for place in kept)
    return Table(table.title, columns, tuple(tuple(row[place] for place in kept) for row in table.rows), table.caption)

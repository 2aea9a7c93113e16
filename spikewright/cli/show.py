"""Printing a report on the terminal: its main table as far as it fits, its summary, and where the rest is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ..report import Report, RunFolder, Table

LEFT_TO_THE_REPORT = ("low", "high", "energy", "activation", "rate", "saturated")
"""Columns that a terminal of 80 characters has no room for."""


def show(report: Report, folder: RunFolder, *, tables: int = 1, left: Sequence[str] = LEFT_TO_THE_REPORT) -> None:
    """Print the first tables and the summary of a report, and the path of its page."""
    console = Console()
    for table in report.tables[:tables]:
        shown = narrow(table, left).to_rich()
        shown.columns[0].no_wrap = True
        shown.padding = (0, 1, 0, 0)  # with a margin on both sides the headings would be broken
        console.print(shown)
    if not any(report.summary in table.caption for table in report.tables[:tables]):
        say(console, report.summary)
    print(f"Report: {folder.path / 'report.html'}")


def say(console: Console, text: str) -> None:
    """Print a text of a report, wrapped at the width of the terminal, without its marks for bold."""
    console.print(text.replace("**", ""), markup=False, highlight=False)


def narrow(table: Table, left: Sequence[str] = LEFT_TO_THE_REPORT) -> Table:
    """A table without the columns that are left to the report."""
    kept = [place for place, column in enumerate(table.columns) if column.name not in left]
    columns = tuple(table.columns[place] for place in kept)
    return Table(table.title, columns, tuple(tuple(row[place] for place in kept) for row in table.rows), table.caption)

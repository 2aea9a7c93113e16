"""Printing a report on the terminal: its main table as far as it fits, its summary, and where the rest is."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from ..report import Report, RunFolder, Table

LEFT_TO_THE_REPORT = ("low", "high", "energy", "saturated")
"""Columns that a terminal of 80 characters has no room for."""


def show(report: Report, folder: RunFolder, *, tables: int = 1) -> None:
    """Print summary and the first tables of a report, and the paths of its files."""
    console = Console()
    for table in report.tables[:tables]:
        console.print(narrow(table).to_rich())
    console.print(report.summary.replace("**", ""))
    console.print(f"Report: {folder.path / 'report.html'}", soft_wrap=True)


def narrow(table: Table) -> Table:
    """A table without the columns that are left to the report, and without its notes."""
    kept = [place for place, column in enumerate(table.columns) if column.name not in LEFT_TO_THE_REPORT]
    columns = tuple(replace(table.columns[place], note="") for place in kept)
    return Table(table.title, columns, tuple(tuple(row[place] for place in kept) for row in table.rows), table.caption)

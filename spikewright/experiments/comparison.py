"""Several judged runs side by side: one table, one figure of accuracy against T, one against energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import DataError, sentence
from ..report import Column, Report, Table
from ..report.numbers import Cell
from .judged_report import main_figures


def compare_runs(runs: Sequence[tuple[str, Report]], environment: Mapping[str, Any]) -> Report:
    """Join the results of several runs of `convert`, `evaluate` or `demo`.

    Args:
        runs: name and report of each.
        environment: of the run that compares.

    Raises:
        DataError: if a run holds no result to compare.
    """
    tables = [_result(name, report) for name, report in runs]
    recipes = [row[0] for table in tables for row in table.rows[:1]]
    several = len(set(recipes)) < len(recipes)
    columns = joined(tables)
    rows = [
        _row(table, row, [column.name for column in columns], f"{row[0]} ({name})" if several else str(row[0]))
        for (name, _), table in zip(runs, tables)
        for row in table.rows
    ]
    main = Table("Result", columns, tuple(rows), caption=" ".join(sorted({table.caption for table in tables})))
    configs = {name: dict(report.config) for name, report in runs}
    references = tuple(dict.fromkeys(source for _, report in runs for source in report.references))
    return Report(
        "Comparison",
        f"{len(runs)} runs side by side.",
        configs,
        environment,
        (main,),
        main_figures(main),
        (),
        references,
    )


def _result(name: str, report: Report) -> Table:
    for table in report.tables:
        if table.title == "Result":
            return table
    raise DataError(
        sentence(
            f"report {name}", "a run without a result", "a run of convert, evaluate or demo", "Name other run folders"
        )
    )


def joined(tables: Sequence[Table]) -> tuple[Column, ...]:
    """The columns of all tables, each once, in the order of the table that has most."""
    found = {column.name: column for table in sorted(tables, key=lambda t: -len(t.columns)) for column in table.columns}
    return tuple(found.values())


def cells_of(table: Table, row: Sequence[Cell]) -> dict[str, Cell]:
    """The cells of a row by column; a network that needs no steps besides T has a latency of T."""
    cells = dict(zip((column.name for column in table.columns), row))
    cells.setdefault("latency", cells.get("T"))
    cells.setdefault("pipeline", cells["latency"])
    return cells


def _row(table: Table, row: Sequence[Cell], names: Sequence[str], recipe: str) -> tuple[Cell, ...]:
    cells = cells_of(table, row) | {"recipe": recipe}
    return tuple(cells.get(name) for name in names)

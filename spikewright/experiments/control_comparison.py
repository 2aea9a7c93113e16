"""Several control runs side by side: one table by task, learning curves in one figure, gains over the first run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..core.errors import DataError, sentence
from ..report import Column, Report, Table
from ..report.numbers import Cell
from .comparison import joined
from .control_report import CURVE, RETURNS, curve_figure

GAINS = (
    Column("task"),
    Column("method"),
    Column("gain of best", "%", 1, "Best return over that of the first run, less one; a dash where that is negative."),
    Column("gain of last", "%", 1, "The same of the last judgements."),
    Column("difference of last", "", 1),
)
SAME = (("loop", "steps"), ("loop", "evaluate_every"), ("loop", "episodes"), ("costs",), ("seeds",))
"""Settings without which numbers of two runs do not mean the same."""


def is_control(report: Report) -> bool:
    """Whether a report is that of a control run."""
    return {RETURNS, CURVE} <= {table.title for table in report.tables}


def compare_controls(runs: Sequence[tuple[str, Report]], environment: Mapping[str, Any]) -> Report:
    """Join the returns and learning curves of several control runs.

    Args:
        runs: name and report of each; gains are over the first.
        environment: of the run that compares.

    Raises:
        DataError: if a run is none of control.
    """
    for name, report in runs:
        methods = set(_table(report, RETURNS).column("method")) if is_control(report) else set()
        if len(methods) != 1:
            met = "a comparison" if methods else "a run without returns over a training"
            raise DataError(sentence(f"report {name}", met, "trainings of rl alone", "Name other run folders"))
    labels = _labels(runs)
    result, curve = (_one(runs, labels, title) for title in (RETURNS, CURVE))
    gains = gain_table(result, labels[0])
    return Report(
        f"Control: {', '.join(labels)}",
        _summary(result),
        {name: dict(report.config) for name, report in runs},
        environment,
        (result, curve, *((gains,) if gains.rows else ())),
        (curve_figure(curve),),
        tuple(_notes(runs, labels)),
        tuple(dict.fromkeys(source for _, report in runs for source in report.references)),
    )


def _labels(runs: Sequence[tuple[str, Report]]) -> list[str]:
    """The method of each run; with the run's name where several have the same one."""
    methods = [str(_table(report, RETURNS).column("method")[0]) for _, report in runs]
    return [f"{method} ({name})" if methods.count(method) > 1 else method for method, (name, _) in zip(methods, runs)]


def _table(report: Report, title: str) -> Table:
    return next(table for table in report.tables if table.title == title)


def _one(runs: Sequence[tuple[str, Report]], labels: Sequence[str], title: str) -> Table:
    """The tables of one title below each other, task by task, with each run's label as its method."""
    tables = [_table(report, title) for _, report in runs]
    columns = joined(tables)
    rows: list[tuple[Cell, ...]] = []
    for label, table in zip(labels, tables):
        names = [column.name for column in table.columns]
        for row in table.rows:
            cells = dict(zip(names, row)) | {"method": label}
            rows.append(tuple(cells.get(column.name) for column in columns))
    tasks = list(dict.fromkeys(row[0] for row in rows))
    return Table(title, columns, tuple(sorted(rows, key=lambda row: tasks.index(row[0]))), tables[0].caption)


def gain_table(result: Table, first: str) -> Table:
    """By how much the other runs are better than the first one, on each task that both have, and their mean.

    Args:
        result: returns of all runs.
        first: method of the run that they are compared with.

    Source: the last row is the average performance gain of Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv
        2505.24161.
    """
    cells = zip(result.column("task"), result.column("method"), result.column("best"), result.column("last"))
    by_method: dict[Cell, dict[Cell, tuple[float, float]]] = {}
    for task, method, best, last in cells:
        by_method.setdefault(method, {})[task] = float(best or 0), float(last or 0)
    base = by_method.pop(first)
    rows: list[tuple[Cell, ...]] = []
    for method, found in by_method.items():
        shared = [task for task in base if task in found]
        own = [(*map(_gain, found[task], base[task]), found[task][1] - base[task][1]) for task in shared]
        rows += [(task, method, *gains) for task, gains in zip(shared, own)]
        if len(own) > 1:
            best, last, _ = zip(*own)
            rows.append(("mean over tasks", method, _mean(best), _mean(last), None))
    return Table(f"Gain over {first}", GAINS, tuple(rows))


def _gain(value: float, base: float) -> float | None:
    return value / base - 1 if base > 0 else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _summary(result: Table) -> str:
    """The interquartile means of each task."""
    tasks: dict[Cell, list[str]] = {}
    names = [column.name for column in result.columns]
    for row in result.rows:
        cells: dict[str, Any] = dict(zip(names, row))
        interval = "" if cells["low"] is None else f" ({cells['low']:,.1f} to {cells['high']:,.1f})"
        tasks.setdefault(cells["task"], []).append(f"{cells['method']} **{cells['IQM']:,.1f}**{interval}")
    return " ".join(f"{task}: {'; '.join(each)}." for task, each in tasks.items())


def _notes(runs: Sequence[tuple[str, Report]], labels: Sequence[str]) -> list[str]:
    """What differs between runs besides what is compared, and what was said of each."""
    said = []
    for path in SAME:
        values = [_at(report.config, path) for _, report in runs]
        if any(value != values[0] for value in values):
            each = "; ".join(f"{label}: {value}" for label, value in zip(labels, values))
            said.append(f"**{'.'.join(path)} differs** too, not the method alone: {each}.")
    of_all = dict.fromkeys(note for _, report in runs for note in report.notes)
    for note in of_all:
        having = [label for label, (_, report) in zip(labels, runs) if note in report.notes]
        said.append(note if len(having) == len(runs) else f"{', '.join(having)}: {note}")
    return said


def _at(config: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = config
    for name in path:
        value = value.get(name, {}) if isinstance(value, Mapping) else {}
    return None if isinstance(value, Mapping) else value

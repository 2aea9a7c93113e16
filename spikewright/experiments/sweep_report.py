"""What came out of a sweep, in words and numbers: outcomes, one table with its Pareto fronts, figures, a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from ..convert.recipe import Recipe
from ..convert.statistics import Statistic
from ..report import Column, FigureSpec, Report, Table
from ..report.numbers import Cell
from ..train.evaluate import LATENCY
from .comparison import cells_of, joined
from .judging import Judging
from .pareto import pareto_front

FRONTS = {"latency": "latency front", "energy": "energy front"}
"""Column of a cost -> column that says whether a row is on the front of this cost and accuracy."""

Row = dict[str, Any]


def recipe_text(recipe: Recipe) -> str:
    """The name of a recipe and what differs from its defaults, but for the threshold statistic.

    Example:
        >>> from spikewright.convert.recipes import COS
        >>> recipe_text(COS(rho=8))
        'COS rho=8'
    """
    words = [type(recipe).__name__]
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.name != "threshold" and value != default:
            words.append(f"{field.name}={getattr(value, 'name', value)}")
    return " ".join(words)


def statistic_text(statistic: Statistic) -> str:
    """A statistic with its numbers, and what shares a threshold.

    Example:
        >>> from spikewright.convert.statistics import ErrorOptimal, Percentile, per_channel
        >>> statistic_text(Percentile(groups=per_channel)), statistic_text(ErrorOptimal())
        ('Percentile 99.9 per channel', 'ErrorOptimal timesteps=8 per layer')
    """
    name = type(statistic).__name__
    parts = {field.name: getattr(statistic, field.name) for field in fields(statistic) if field.name != "groups"}
    numbers = [
        f"{value}" if part == name.lower() else f"{part}={value}" for part, value in parts.items() if value is not None
    ]
    groups = getattr(statistic.groups, "__name__", str(statistic.groups)).replace("_", " ")
    return " ".join([name, *numbers, groups])


@dataclass(frozen=True)
class Outcome:
    """What one point gave.

    Args:
        recipe: the recipe as plain values.
        name: the recipe in words.
        threshold: where its thresholds come from, in words; None where there are none.
        seconds: how long it took.
        table: the result, as a conversion reports it; None if it failed.
        failure: why it failed, in one sentence.
    """

    recipe: Mapping[str, Any]
    name: str
    threshold: str | None
    seconds: float
    table: Table | None
    failure: str | None

    @property
    def text(self) -> str:
        """The point in words.

        Example:
            >>> Outcome({}, "OPI", "Maximum per layer", 1.0, None, "").text
            'OPI, Maximum per layer'
        """
        return ", ".join(filter(None, (self.name, self.threshold)))

    def to_dict(self) -> dict[str, Any]:
        """The outcome as a line of metrics.jsonl."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return parts | {"table": None if self.table is None else self.table.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """Rebuild an outcome from `to_dict`."""
        table = data["table"]
        return cls(**{**data, "table": None if table is None else Table.from_dict(table)})


def sweep_table(outcomes: Sequence[Outcome]) -> Table:
    """The source network in one row, then one row per point and T, each with its place on the two fronts.

    Args:
        outcomes: at least one with a table.
    """
    tables = [outcome.table for outcome in outcomes if outcome.table is not None]
    source = [cells_of(tables[0], row) | {"recipe": "ANN"} for row in tables[0].rows[:1]]
    rows: list[Row] = [
        cells_of(outcome.table, row) | {"recipe": outcome.name, "threshold": outcome.threshold}
        for outcome in outcomes
        if outcome.table is not None
        for row in outcome.table.rows[1:]
    ]
    for cost, name in FRONTS.items():
        front = pareto_front([row[cost] for row in rows], [row["accuracy"] for row in rows])
        rows = [row | {name: on} for row, on in zip(rows, front)]
    given = {column.name: column for column in joined(tables) if column.name != "MACs"} | {"latency": LATENCY}
    first = [Column("recipe"), Column("threshold", note="Statistic of the activations; trained: the network's own.")]
    first += [given.pop(name) for name in ("T", "latency", "pipeline") if name in given]
    del given["recipe"]
    note = "No row with more accuracy has as little {}, and none as accurate has less."
    fronts = [Column(name, note=note.format(cost)) for cost, name in FRONTS.items()]
    columns = (*first, *given.values(), *fronts)
    cells: list[tuple[Cell, ...]] = [tuple(row.get(column.name) for column in columns) for row in (*source, *rows)]
    return Table("Sweep", columns, tuple(cells), caption=tables[0].caption)


def failures_table(outcomes: Sequence[Outcome]) -> Table:
    """One row per point that failed, with the reason."""
    rows = [(each.name, each.threshold, each.failure) for each in outcomes if each.table is None]
    return Table("Not converted", (Column("recipe"), Column("threshold"), Column("reason")), tuple(rows))


def pareto_figures(table: Table) -> tuple[FigureSpec, ...]:
    """Accuracy against latency, and against energy."""
    series = ["recipe", "threshold"] if len(set(table.column("threshold")[1:])) > 1 else ["recipe"]
    return tuple(
        FigureSpec(
            f"pareto_{cost}",
            "pareto",
            f"Accuracy against {what}. The line joins the points that no other beats; the broken one is the source "
            "network.",
            table.title,
            options={"cost": cost, "front": name, "series": series},
        )
        for (cost, name), what in zip(FRONTS.items(), ("latency", "energy per image"))
    )


def sweep_report(
    network: str,
    outcomes: Sequence[Outcome],
    judging: Judging,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    sources: Sequence[str],
) -> Report:
    """Everything about a sweep.

    Args:
        network: what was converted.
        outcomes: of all points, in order.
        judging: how they were judged.
        config, environment: of the run.
        sources: of the methods.
    """
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    if any(outcome.table is not None for outcome in outcomes):
        tables = (sweep_table(outcomes),)
        figures = pareto_figures(tables[0])
    if any(outcome.table is None for outcome in outcomes):
        tables = (*tables, failures_table(outcomes))
    costs = judging.cost_table
    chance = (
        "The fronts are chosen by the images that are judged: of two points whose intervals overlap, the better one "
        "may be so by chance."
    )
    references = tuple(dict.fromkeys(filter(None, (*sources, costs.source))))
    return Report(
        f"Sweep of {network}",
        summary(network, outcomes, tables),
        config,
        environment,
        tables,
        figures,
        (chance, costs.note),
        references,
    )


def summary(network: str, outcomes: Sequence[Outcome], tables: Sequence[Table]) -> str:
    """The result in a few sentences: the most accurate, the fastest and the most frugal point, and what failed."""
    failed = [outcome.text for outcome in outcomes if outcome.table is None]
    missing = f" Not converted: {'; '.join(failed)}." if failed else ""
    if len(failed) == len(outcomes):
        return f"**{network}**: no recipe converts it.{missing}"
    table = tables[0]
    cells: list[Row] = [dict(zip((column.name for column in table.columns), row)) for row in table.rows]
    source, rows = cells[0], cells[1:]
    best = max(rows, key=lambda row: (row["accuracy"], -row["latency"]))
    near = [row for row in rows if row["accuracy"] >= source["accuracy"] - 0.01]
    text = (
        f"**{network}**: the source network reaches {100 * source['accuracy']:.2f} %. "
        f"The most accurate spiking network is {_described(best)}."
    )
    if near:
        fastest = min(near, key=lambda row: (row["latency"], -row["accuracy"]))
        frugal = min(near, key=lambda row: (row["energy"], -row["accuracy"]))
        text += f" Within one point of the source, the fastest is {_described(fastest)}"
        same = fastest is frugal
        text += "; it also takes the least energy." if same else f", and {_described(frugal)} takes the least energy."
    else:
        text += " None comes within one point of the source."
    return text + missing


def _described(row: Row) -> str:
    threshold = "" if row["threshold"] in (None, "trained") else f", {row['threshold']},"
    price = "" if row["ratio"] is None else f", {row['ratio']:.3f} of the energy"
    return (
        f"{row['recipe']}{threshold} at T = {row['T']} ({100 * row['accuracy']:.2f} %, latency {row['latency']}{price})"
    )

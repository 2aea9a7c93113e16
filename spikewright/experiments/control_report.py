"""What a control run is reported as: returns by task and by seed, curves, episodes, decisions, a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.references import source_of
from ..profile import COST_TABLES
from ..report import Column, FigureSpec, Report, Table
from ..report.numbers import Cell
from ..rl import NEURONS, interquartile_mean
from .control_jobs import Outcome
from .filming import Film

if TYPE_CHECKING:
    from .control import ControlRun

LAST = 10
"""Judgements at the end whose mean a seed is scored by."""
DOTS = 3000
"""Episodes in the figure at most."""
RETURNS, CURVE = "Returns", "Learning curve"
"""Titles of the tables that runs are compared by."""
RESULT = (
    Column("task"),
    Column("method"),
    Column("seeds", "", 0),
    Column("best", "", 1, "Largest mean return of a seed's judgements, mean over seeds; optimistic, as it is chosen."),
    Column("last", "", 1, f"Mean return of a seed's last {LAST} judgements, mean over seeds."),
    Column("IQM", "", 1, "Mean of the middle half of the seeds' last returns."),
    Column("low", "", 1, "End of its 95 % interval by bootstrap over seeds; a dash for a single seed."),
    Column("high", "", 1),
    Column("steps/s", "", 0, "Environment steps per second of one training, judging included."),
    Column("spikes", "", 0, "Of one decision; a dash for an actor without any."),
    Column("energy", "J", note="Of one decision: the network alone, without encoder, decoder and tanh."),
)
SEEDS = (
    Column("task"),
    Column("seed", "", 0),
    Column("best", "", 1),
    Column("last", "", 1),
    Column("final", "", 1, "Mean return of the last judgement, that of actor.safetensors."),
    Column("steps", "", 0),
    Column("steps/s", "", 0),
    Column("firing rate", "", 3, "Spikes per neuron and time step."),
    Column("spikes", "", 0),
    Column("synops", "", 0, "Synaptic operations of one decision."),
    Column("MACs", "", 0, "Multiply-accumulates of one decision."),
    Column("energy", "J"),
    Column("breakdowns", "", 0, "How often the environment broke down and was begun anew."),
)


def control_report(
    config: ControlRun,
    settings: Mapping[str, Any],
    environment: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    latencies: Mapping[str, Sequence[Mapping[str, Cell]]],
    films: Mapping[str, Film],
    failures: Mapping[str, str],
) -> Report:
    """Everything about a control run.

    Args:
        config: the run.
        settings: the same as JSON.
        environment: of the run.
        outcomes: what came out of each training.
        latencies: how long a decision takes, by task.
        films: episodes in pictures, by task.
        failures: why trainings failed, by task and seed.
    """
    tasks = by_task(outcomes)
    result = result_table(config.method, tasks)
    curve = curve_table(config.method, tasks)
    tables = (result, curve, seeds_table(outcomes), *decision_tables(tasks, latencies))
    return Report(
        f"{config.method} on {', '.join(tasks)}",
        summary(result),
        settings,
        environment,
        tables,
        (curve_figure(curve), *episode_figures(tasks), *firing_figures(tables), *film_figures(films)),
        tuple(notes(config, outcomes, films, failures)),
        tuple(dict.fromkeys(filter(None, sources(config)))),
        highlights(result),
    )


def by_task(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each task."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.task, []).append(outcome)
    return found


def result_table(method: str, tasks: Mapping[str, Sequence[Outcome]]) -> Table:
    """One row per task."""
    rows: list[tuple[Cell, ...]] = []
    for task, found in tasks.items():
        last = [outcome.last(LAST) for outcome in found]
        middle = interquartile_mean([last])
        decisions = [outcome.decision for outcome in found]
        rows.append(
            (
                task, method, len(found), fmean(outcome.best for outcome in found), fmean(last), *middle,
                _mean([_speed(outcome) for outcome in found]), _mean([each.spikes for each in decisions]),
                _mean([each.joule for each in decisions]),
            )
        )  # fmt: skip
    return Table(RETURNS, RESULT, tuple(rows), "Undiscounted returns of whole episodes without exploration.")


def curve_table(method: str, tasks: Mapping[str, Sequence[Outcome]]) -> Table:
    """One row per task and judgement: interquartile mean over seeds, its interval, and the mean return of each seed."""
    seeds = list(dict.fromkeys(outcome.seed for found in tasks.values() for outcome in found))
    columns = (
        *(Column("task"), Column("method"), Column("step", "", 0)),
        *(Column("IQM", "", 1, "Of the seeds' mean returns."), Column("low", "", 1), Column("high", "", 1)),
        *(Column(f"seed {seed}", "", 1) for seed in seeds),
    )
    rows: list[tuple[Cell, ...]] = []
    for task, found in tasks.items():
        curves = {outcome.seed: outcome.curve for outcome in found}
        for step in sorted({step for curve in curves.values() for step in curve}):
            each = [curves[seed].get(step) if seed in curves else None for seed in seeds]
            middle = interquartile_mean([[value for value in each if value is not None]])
            rows.append((task, method, step, *middle, *each))
    return Table(CURVE, columns, tuple(rows), "Returns of the actor without exploration during training.")


def curve_figure(table: Table) -> FigureSpec:
    """Returns over the training."""
    text = (
        "Return during training: the line is the interquartile mean over seeds, shaded its 95 % interval by bootstrap; "
        "faint lines are single seeds."
    )
    return FigureSpec("learning_curve", "return_curve", text, table.title)


def seeds_table(outcomes: Sequence[Outcome]) -> Table:
    """One row per training."""
    rows = tuple(
        (
            each.task, each.seed, each.best, each.last(LAST), each.last(1), each.steps, _speed(each),
            each.decision.firing_rate, each.decision.spikes, each.decision.synops, each.decision.macs,
            each.decision.joule, each.breakdowns,
        )
        for each in outcomes
    )  # fmt: skip
    return Table("Seeds", SEEDS, rows)


def decision_tables(
    tasks: Mapping[str, Sequence[Outcome]], latencies: Mapping[str, Sequence[Mapping[str, Cell]]]
) -> tuple[Table, ...]:
    """How long a decision takes, and how busy the layers of the first seed's actors are."""
    columns = (
        *(Column("task"), Column("by"), Column("time", "s", note="Median of one decision with a batch of one.")),
        Column("largest difference", note="Of an action from torch's, in the units of the action."),
        Column("decisions", "", 0),
    )
    rows = [{"task": task, **row} for task, found in latencies.items() for row in found]
    text = "On one observation after another, encoder and decoder included; by torch, and with the network on events."
    found = [Table.from_records("Time of a decision", columns, rows, text)]
    layers = {task: each[0].decision.layers for task, each in tasks.items()}
    known = {task: table for task, table in layers.items() if table is not None}
    if known:
        columns = next(iter(known.values())).columns
        busy = tuple((task, *row) for task, table in known.items() for row in table.rows)
        text = "Of the first seed's actor, on observations of an episode."
        found.append(Table("Spikes of layers", (Column("task"), *columns), busy, text))
    return tuple(found)


def firing_figures(tables: Sequence[Table]) -> tuple[FigureSpec, ...]:
    """Firing rates of layers, where there are any."""
    text = "Spikes per neuron and time step, layer by layer; the first layer is the encoder."
    titles = [table.title for table in tables if table.title == "Spikes of layers"]
    return tuple(
        FigureSpec("density", "density_per_layer", text, title, options={"series": "task"}) for title in titles
    )


def episode_figures(tasks: Mapping[str, Sequence[Outcome]]) -> tuple[FigureSpec, ...]:
    """Returns of training episodes, a figure per task."""
    figures = []
    for number, (task, found) in enumerate(tasks.items(), 1):
        dots = [(step, total, place) for place, one in enumerate(found) for step, total in one.episodes]
        if not dots:
            continue
        every = -(-len(dots) // DOTS)
        step, total, run = map(np.array, zip(*dots[::every]))
        left = f" Every {every}th of {len(dots):,}." if every > 1 else ""
        text = f"{task}: returns of training episodes, with exploration; random actions at the beginning.{left}"
        arrays, names = {"step": step, "total": total, "run": run}, [f"seed {one.seed}" for one in found]
        figures.append(
            FigureSpec(f"episodes-{number}", "episode_returns", text, arrays=arrays, options={"names": names})
        )
    return tuple(figures)


def film_figures(films: Mapping[str, Film]) -> tuple[FigureSpec, ...]:
    """An episode of each task that could be drawn."""
    return tuple(
        FigureSpec(
            f"episode-{number}",
            "frame_strip",
            f"{task}: an episode of the first seed's actor, return {film.total:,.1f}.",
            arrays={"frames": film.frames},
            options={"steps": list(film.steps)},
        )
        for number, (task, film) in enumerate(films.items(), 1)
        if film.frames is not None
    )


def summary(table: Table) -> str:
    """The result in a few sentences."""
    parts = []
    for row in table.rows:
        cells: dict[str, Any] = dict(zip((column.name for column in table.columns), row))
        seeds = f"{cells['seeds']} seed{'s' * (cells['seeds'] > 1)}"
        interval = "" if cells["low"] is None else f" ({cells['low']:,.1f} to {cells['high']:,.1f})"
        parts.append(f"{cells['task']} **{cells['IQM']:,.1f}**{interval}, best {cells['best']:,.1f}, over {seeds}")
    return f"{table.rows[0][1]}: {'; '.join(parts)}."


def highlights(table: Table) -> Table:
    """The numbers that stand first: the interquartile mean of each task, of at most five."""
    columns = tuple(Column(str(row[0]), "", 1) for row in table.rows[:5])
    return Table("Highlights", columns, (tuple(row[5] for row in table.rows[:5]),))


def notes(
    config: ControlRun, outcomes: Sequence[Outcome], films: Mapping[str, Film], failures: Mapping[str, str]
) -> list[str]:
    """What a reader has to know."""
    said = [f"**{job} failed**: {text}" for job, text in failures.items()]
    said += [
        f"{each.task}, seed {each.seed} was stopped after {each.steps:,} of {each.wanted:,} steps."
        for each in outcomes
        if not each.done
    ]
    said += [
        f"{each.task}, seed {each.seed} had {each.steps:,} steps already, past the {config.loop.steps:,} asked for."
        for each in outcomes
        if each.steps >= config.loop.steps + config.loop.environments
    ]
    missing = len(config.jobs) - len(outcomes) - len(failures)
    said += [f"{missing} training{'s' * (missing > 1)} of the run had not begun."] * (missing > 0)
    said += [film.why for film in films.values() if film.why]
    if len(config.seeds) < 5:
        said.append(
            "Fewer than five seeds: returns of single seeds differ so much that methods are not ranked by them."
        )
    costs = COST_TABLES[config.costs]
    return [*said, f"Energy by the cost table {costs.name}. {costs.note}"]


def sources(config: ControlRun) -> list[str]:
    """Where the parts of a run come from."""
    neuron = NEURONS.get(config.actor.label)
    parts = [type(config.algorithm), type(getattr(config.algorithm, "target", None))]
    found = [source_of(part) for part in parts]
    if neuron is not None:
        found.append(source_of(type(neuron())))
    return [*found, source_of(interquartile_mean), COST_TABLES[config.costs].source]


def _speed(outcome: Outcome) -> float | None:
    return outcome.steps / outcome.seconds if outcome.seconds else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None

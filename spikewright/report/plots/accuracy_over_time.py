"""Accuracy against the number of time steps, one line per recipe, with the ANN as a level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.errors import ReportError
from spikewright.report.plots.reading import finite, groups, naming, numbers
from spikewright.report.plots.style import (
    INK,
    frame,
    legend,
    look,
    new_figure,
    no_data,
    styled,
)
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVEL_DASHES = ((0, (6, 3)), (0, (2, 2)), (0, (8, 2, 2, 2)))


@styled
def draw(
    table: Table,
    *,
    timesteps: str = "T",
    accuracy: str = "accuracy",
    series: str = "recipe",
    low: str = "low",
    high: str = "high",
) -> Figure:
    """Draw accuracy (fractions, shown as per cent) against time steps on a log2 axis.

    Args:
        table: one row per recipe and T, in any order. A row without T (None) is an ANN: a dashed level.
        timesteps: column with T, 1 or more.
        accuracy: column with fractions 0..1.
        series: column that names the lines; without it all rows are one line.
        low, high: columns with an interval (say 95 %), shaded where both are there.

    Raises:
        ReportError: for T below 1, or text in a column of numbers.
    """
    figure = new_figure(3.9)
    ax = figure.subplots()
    frame(ax, "time steps T (log scale)", "accuracy [%]")
    steps, heights = numbers(table, timesteps), [100 * a for a in numbers(table, accuracy)]
    bounds = [[100 * b for b in numbers(table, name)] for name in (low, high) if table.has(name)]
    if any(step < 1 for step in steps):
        raise ReportError(
            f"Table {table.title!r}, column {timesteps!r}: got {min(finite(steps)):g}; "
            "expected time steps of 1 or more, or None for an ANN."
        )
    handles, names, levels = [], [], 0
    for i, (name, rows) in enumerate(groups(table, series).items()):
        curve = sorted((steps[row], row) for row in rows if math.isfinite(steps[row] + heights[row]))
        flat = [heights[row] for row in rows if math.isnan(steps[row]) and math.isfinite(heights[row])]
        called = naming(series, name)
        if curve:
            order = [row for _, row in curve]
            x = [step for step, _ in curve]
            if len(bounds) == 2:
                sides = [[side[row] for row in order] for side in bounds]
                ax.fill_between(x, sides[0], sides[1], color=look(i)["color"], alpha=0.15, linewidth=0)
            handles += ax.plot(x, [heights[row] for row in order], **look(i), clip_on=False, zorder=3)
            names.append(called)
        for level in flat:
            dash = _LEVEL_DASHES[levels % len(_LEVEL_DASHES)]
            handles.append(ax.axhline(level, color=INK, linewidth=1.2, linestyle=dash, zorder=2))
            names.append(f"{called} ({level:.1f} %)".strip())
            levels += 1
    drawn = finite(heights + [b for side in bounds for b in side])
    if not handles:
        no_data(ax)
        return figure
    _axes(ax, sorted(set(finite(steps))), drawn)
    if len(names) > 1 or names[0]:
        legend(figure, handles, names)
    return figure


def _axes(ax: Axes, steps: list[float], heights: list[float]) -> None:
    lowest, highest = min(heights), max(heights)
    room = max(0.06 * (highest - lowest), 0.5) if highest > lowest else 5.0
    ax.set_ylim(max(lowest - room, -1.0), min(highest + room, 101.0))
    ax.set_xscale("log", base=2)
    if steps:
        ax.set_xlim(steps[0] / 2**0.25, steps[-1] * 2**0.25)
    else:
        ax.set_xlim(1, 32)
    shown = [step for i, step in enumerate(steps) if math.log2(step).is_integer() or len(steps) <= 8]
    ax.set_xticks(shown, [f"{step:g}" for step in shown], minor=False)
    ax.set_xticks([], minor=True)

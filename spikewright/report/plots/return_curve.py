"""Return against environment steps: a line per method with its interval, single runs faint, a panel per task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.numbers import Cell
from spikewright.report.plots.reading import finite, groups, naming, numbers
from spikewright.report.plots.style import frame, legend, look, new_figure, no_data, steps_axis, styled, words
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def draw(
    table: Table,
    *,
    step: str = "step",
    middle: str = "IQM",
    low: str = "low",
    high: str = "high",
    panel: str = "task",
    series: str = "method",
    runs: str = "seed ",
    axis: str | None = None,
    doublings: bool = False,
) -> Figure:
    """Draw returns over a training.

    Args:
        table: one row per panel, series and step.
        step: column with environment steps.
        middle: column with the value of the line.
        low, high: columns with its interval, shaded; cells may be None.
        panel: column that names the panels.
        series: column that names the lines.
        runs: beginning of the names of columns with single runs, drawn faint.
        axis: what the steps are; none for environment steps.
        doublings: whether a doubling of steps is as long everywhere.

    Raises:
        ReportError: for text in a column of numbers.
    """
    panels, lines = groups(table, panel), list(groups(table, series))
    across = min(len(panels), 2) or 1
    down = -(-len(panels) // across) or 1
    figure = new_figure(3.4 if down == 1 else 2.6 * down)
    axes = figure.subplots(down, across, squeeze=False).flatten()
    factor, text = steps_axis(max([0.0, *finite(numbers(table, step))])) if axis is None else (1.0, axis)
    handles: dict[Cell, Artist] = {}
    for place, ax in enumerate(axes):
        if panels and place >= len(panels):
            ax.set_axis_off()
            continue
        frame(ax, text if place + across >= len(panels) else "", "return" * (place % across == 0))
        if not panels:
            no_data(ax)
            continue
        name, rows = list(panels.items())[place]
        ax.set_title(words(naming(panel, name), 40) if len(panels) > 1 else "", loc="left")
        for line, inside in groups(table, series).items():
            chosen = [row for row in rows if row in set(inside)]
            if doublings:
                ax.set_xscale("log", base=2)
                ax.xaxis.set_major_formatter("{x:g}")
            _line(ax, table, chosen, (step, middle, low, high, runs), factor, lines.index(line), handles, line)
    if len(handles) > 1 or (handles and next(iter(handles))):
        legend(figure, list(handles.values()), [naming(series, name) for name in handles])
    return figure


def _line(
    ax: Axes,
    table: Table,
    rows: list[int],
    columns: tuple[str, str, str, str, str],
    factor: float,
    place: int,
    handles: dict[Cell, Artist],
    name: Cell,
) -> None:
    step, middle, low, high, runs = columns
    style = look(place)
    if len(rows) > 25:
        style["marker"] = ""

    def points(column: str) -> tuple[list[float], list[float]]:
        x, y = numbers(table, step), numbers(table, column)
        kept = [(factor * x[row], y[row]) for row in rows if math.isfinite(x[row] + y[row])]
        return [a for a, _ in kept], [b for _, b in kept]

    single = [column.name for column in table.columns if column.name.startswith(runs)]
    for column in single if len(single) > 1 else ():
        ax.plot(*points(column), color=style["color"], linewidth=0.8, alpha=0.4, zorder=2)
    if table.has(low) and table.has(high):
        x, bottom = points(low)
        if x:
            ax.fill_between(x, bottom, points(high)[1], color=style["color"], alpha=0.15, linewidth=0)
    x, y = points(middle)
    if x:
        (handles[name],) = ax.plot(x, y, **style, zorder=3)

"""What accuracy costs: estimated energy per image against accuracy, one path of T per recipe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.numbers import scale
from spikewright.report.plots.reading import finite, groups, naming, numbers
from spikewright.report.plots.style import (
    INK,
    MUTED,
    PAPER,
    frame,
    labelled,
    legend,
    look,
    new_figure,
    no_data,
    plain_log,
    styled,
)
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_FROM = 20.0
_LEVEL = (0, (2, 3))


@styled
def draw(
    table: Table,
    *,
    energy: str = "energy",
    accuracy: str = "accuracy",
    timesteps: str = "T",
    series: str = "recipe",
) -> Figure:
    """Draw accuracy (fractions, shown as per cent) over energy; the points of a recipe are joined along T.

    Args:
        table: one row per recipe and T. A row without T (None) is an ANN and becomes a diamond with a level.
        energy: column with the energy of one image in the unit of its column (J is shown with a fitting
            prefix), or a ratio to the ANN.
        accuracy: column with fractions 0..1.
        timesteps: column with T; written beside the points.
        series: column that names the paths; without it all rows are one path.

    Raises:
        ReportError: for text in a column of numbers.
    """
    figure = new_figure(4.1)
    ax = figure.subplots()
    factor, unit = scale(table.column(energy), table.described(energy).unit)
    frame(ax, labelled(energy.replace("_", " "), unit), "accuracy [%]", grid="both")
    x = [factor * value for value in numbers(table, energy)]
    y = [100 * value for value in numbers(table, accuracy)]
    steps = numbers(table, timesteps)
    handles, names, levels = [], [], 0
    found = {
        name: [row for row in rows if math.isfinite(x[row] + y[row])] for name, rows in groups(table, series).items()
    }
    paths = {name: _along(rows, steps) for name, rows in found.items()}
    upper = max((name for name in paths if paths[name]), key=lambda name: y[paths[name][0]], default=None)
    for i, (name, rows) in enumerate(found.items()):
        path = paths[name]
        if path:
            handles += ax.plot([x[row] for row in path], [y[row] for row in path], **look(i), zorder=3)
            names.append(naming(series, name))
            _label_steps(ax, [(x[row], y[row], steps[row]) for row in path], above=name == upper)
        for row in (row for row in rows if math.isnan(steps[row])):
            ax.axhline(y[row], color=INK, linewidth=1, linestyle=_LEVEL, zorder=1)
            colour, levels = (MUTED if levels else INK), levels + 1
            mark = {
                "marker": "D",
                "markersize": 7,
                "markeredgecolor": PAPER,
                "linestyle": _LEVEL,
                "linewidth": 1,
            }
            handles += ax.plot([x[row]], [y[row]], color=colour, **mark, zorder=4)
            names.append(naming(series, name))
    if not handles:
        no_data(ax)
        return figure
    positive = [value for value in finite(x) if value > 0]
    if len(positive) == len(finite(x)) and max(positive) > LOG_FROM * min(positive):
        plain_log(ax, "x")
    else:
        ax.set_xlim(0, max(finite(x)) * 1.08 or 1)
    ax.margins(x=0.09, y=0.12)
    if len(names) > 1 or names[0]:
        legend(figure, handles, names)
    return figure


def _along(rows: list[int], steps: list[float]) -> list[int]:
    return sorted((row for row in rows if math.isfinite(steps[row])), key=lambda row: steps[row])


def _label_steps(ax: Axes, points: list[tuple[float, float, float]], *, above: bool) -> None:
    offset, side = ((-4, 4), "right") if above else ((5, -5), "left")
    for i, (x, y, step) in enumerate(points):
        text = f"T = {step:g}" if i == 0 else f"{step:g}"
        ax.annotate(
            text,
            (x, y),
            offset,
            textcoords="offset points",
            ha=side,
            va="bottom" if above else "top",
            fontsize=8,
            color=MUTED,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
            zorder=2,
        )

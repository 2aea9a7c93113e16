"""Accuracy under attack against eps, steps or a width: a line per rule, the worst case in ink, noise dashed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from spikewright.report.plots.reading import finite, groups, naming, numbers
from spikewright.report.plots.style import INK, MUTED, frame, legend, look, new_figure, no_data, styled
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 8
"""Ratio of the largest to the smallest value from which on the axis is logarithmic."""


@styled
def draw(
    table: Table,
    *,
    over: str = "eps",
    accuracy: str = "accuracy",
    series: str = "attack",
    low: str = "low",
    high: str = "high",
    worst: str = "worst case",
    reference: str = "noise",
    mark: float | None = None,
    label: str = "",
) -> Figure:
    """Draw accuracy (fractions, shown as per cent) against the size of an attack.

    Args:
        table: one row per attack and value, in any order.
        over: column with the size, 0 or more; the axis is logarithmic where it spans a wide range, with 0 at its left.
        accuracy: column with fractions 0..1.
        series: column that names the lines.
        low, high: columns with an interval (say 95 %), shaded for the worst case, or for a line that is alone.
        worst: the line that is drawn in ink, above the others.
        reference: the line that is drawn dashed: perturbations that nobody has looked for.
        mark: a size that is marked by an upright line: that of the table of the report.
        label: what the axis is called; the name of the column if empty.

    Raises:
        ReportError: for text in a column of numbers.
    """
    figure = new_figure(3.9)
    ax = figure.subplots()
    sizes, heights = numbers(table, over), [100 * share for share in numbers(table, accuracy)]
    bounds = [[100 * share for share in numbers(table, name)] for name in (low, high) if table.has(name)]
    known = groups(table, series)
    place_of, scale = _places(sizes)
    frame(ax, (label or over) + scale, "accuracy under attack [%]")
    handles, names, plain = [], [], 0
    for name, rows in known.items():
        order = [
            row for _, row in sorted((sizes[row], row) for row in rows if math.isfinite(sizes[row] + heights[row]))
        ]
        if not order:
            continue
        x, y = [place_of(sizes[row]) for row in order], [heights[row] for row in order]
        style = look(plain)
        if name == worst:
            style |= {"color": INK, "linewidth": 2.4, "marker": "o", "markersize": 4.5}
        elif name == reference:
            style |= {"color": MUTED, "linestyle": (0, (4, 2)), "marker": ""}
        else:
            plain += 1
        if len(bounds) == 2 and (name == worst or len(known) == 1):
            sides = [[side[row] for row in order] for side in bounds]
            ax.fill_between(x, sides[0], sides[1], color=style["color"], alpha=0.12, linewidth=0)
        handles += ax.plot(x, y, **style, clip_on=False, zorder=4 if name == worst else 3)
        names.append(naming(series, name))
    if not handles:
        no_data(ax)
        return figure
    _axes(ax, sorted(set(finite(sizes))), place_of)
    if mark is not None and min(finite(sizes)) <= mark <= max(finite(sizes)):
        ax.axvline(place_of(mark), color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    if len(names) > 1 or names[0]:
        legend(figure, handles, names)
    return figure


def _places(sizes: list[float]) -> tuple[Callable[[float], float], str]:
    """Where a size stands, and what that is called: itself, or its logarithm where sizes span a wide range.

    A size of 0 then stands one step before the smallest.
    """
    above = sorted({size for size in finite(sizes) if size > 0})
    if not above or above[-1] / above[0] < _WIDE:
        return lambda size: size, ""
    step = max(1.0, min(math.log2(b / a) for a, b in pairwise(above)))
    return lambda size: math.log2(size) if size > 0 else math.log2(above[0]) - step, " (log scale)"


def _axes(ax: Axes, sizes: list[float], place_of: Callable[[float], float]) -> None:
    ax.set_ylim(-2, 102)
    places = [place_of(size) for size in sizes]
    room = 0.04 * (places[-1] - places[0]) or 1.0
    ax.set_xlim(places[0] - room, places[-1] + room)
    kept = [i for i in range(len(sizes)) if i == 0 or places[i] - places[i - 1] > (places[-1] - places[0]) / 25]
    ax.set_xticks([places[i] for i in kept], [f"{sizes[i]:.3g}" for i in kept])

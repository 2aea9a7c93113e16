"""How the membrane potentials of each layer are spread, with the threshold as a line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.plots.reading import finite, groups, numbers
from spikewright.report.plots.style import (
    MUTED,
    SERIES,
    WIDTH,
    distinct,
    frame,
    labelled,
    legend,
    new_figure,
    no_data,
    styled,
)
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4


@styled
def draw(
    table: Table,
    *,
    layer: str = "layer",
    left: str = "left",
    right: str = "right",
    count: str = "neurons",
    v_threshold: str = "v_threshold",
) -> Figure:
    """Draw one small histogram per layer, each with its own height, because only the shape matters.

    Args:
        table: one row per layer and bin, as `spikewright.report.histogram.histogram_table` makes it.
        layer: column with the names of the layers.
        left, right: columns with the edges of the bins, in units of the membrane potential.
        count: column with how many neurons (or neurons times steps) fell into the bin.
        v_threshold: column with the threshold of the layer; left away where there is none.

    Raises:
        ReportError: for text in a column of numbers.
    """
    starts, ends, counts = (numbers(table, name) for name in (left, right, count))
    thresholds = numbers(table, v_threshold) if table.has(v_threshold) else [math.nan] * len(starts)
    found = groups(table, layer)
    columns = min(COLUMNS, max(len(found), 1))
    lines = math.ceil(len(found) / columns) or 1
    wide = WIDTH if columns > 2 else WIDTH * (columns + 1) / 4
    figure = new_figure(0.75 + (1.25 if columns > 2 else 1.9) * lines, wide)
    grid = figure.subplots(lines, columns, squeeze=False)
    handles: dict[str, Artist] = {}
    titles = distinct([str(name) for name in found], 24 if columns > 2 else 36)
    for ax, title, rows in zip(grid.flat, titles, found.values()):
        frame(ax, grid="")
        ax.set_title(title, fontsize=8, color=MUTED, loc="left")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        _steps(ax, [(starts[row], ends[row], counts[row]) for row in rows], handles)
        for level in finite({thresholds[row] for row in rows}):
            handles["threshold"] = ax.axvline(level, color=SERIES[1], linewidth=1.4, linestyle=(0, (4, 2)))
        ax.locator_params(axis="x", nbins=4)
    for ax in grid.flat[len(found) :]:
        ax.set_axis_off()
    if not found:
        ax = grid.flat[0]
        ax.set_axis_on()
        frame(ax, grid="")
        no_data(ax)
    unit = table.described(left).unit
    figure.supxlabel(labelled("membrane potential", unit), fontsize=9.5)
    figure.supylabel("neurons (each layer to its own height)" if lines > 1 else "neurons", fontsize=9.5)
    legend(figure, list(handles.values()), list(handles))
    return figure


def _steps(ax: Axes, bins: list[tuple[float, float, float]], handles: dict[str, Artist]) -> None:
    drawn = [bin_ for bin_ in bins if all(math.isfinite(value) for value in bin_)]
    if drawn:
        # One outline for all bins: bars side by side would show hairlines between them on a screen.
        corners = [
            (x, y) for left, right, high in drawn for x, y in ((left, 0), (left, high), (right, high), (right, 0))
        ]
        (handles["neurons"],) = ax.fill(*zip(*corners), color=SERIES[0], linewidth=0)
        ax.set_ylim(0, max(high for _, _, high in drawn) * 1.08 or 1)

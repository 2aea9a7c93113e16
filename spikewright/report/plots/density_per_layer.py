"""Spikes per neuron and time step, layer by layer: where a network is busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spikewright.report.numbers import Cell, is_number
from spikewright.report.plots.layers import layer_figure, place
from spikewright.report.plots.reading import finite, groups, naming, numbers
from spikewright.report.plots.style import MARKERS, PAPER, RULE, frame, legend, no_data, styled, tones
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 3


@styled
def draw(table: Table, *, layer: str = "layer", density: str = "firing_rate", series: str = "T") -> Figure:
    """Draw one row per layer, from input (top) to output: bars for up to three series, dots for more.

    Args:
        table: one row per layer and series.
        layer: column with the names of the layers.
        density: column with spikes per neuron and time step.
        series: column that tells the series apart: numbers (T) are coloured as an order, names (recipes) as
            different things. Without it there is one series.

    Raises:
        ReportError: for text in a column of numbers.
    """
    values = numbers(table, density)
    layers = list(groups(table, layer))
    found = groups(table, series)
    thick = len(found) <= MOST_BARS
    figure, ax = layer_figure([str(name) for name in layers], rows_each=len(found) if thick else 1)
    frame(ax, "spikes per neuron and time step", grid="x")
    if not layers:
        no_data(ax)
        return figure
    ax.set_xlim(0, max(finite(values), default=0) * 1.05 or 1)
    if not thick:
        _spans(ax, table.column(layer), values, layers)
    handles, ordered = [], all(is_number(name) for name in found)
    for i, (rows, tone) in enumerate(zip(found.values(), tones(list(found)))):
        y = [layers.index(table.column(layer)[row]) for row in rows]
        x = [values[row] for row in rows]
        if thick:
            offset, height = place(i, len(found))
            handles.append(ax.barh([at + offset for at in y], x, height, color=tone))
        else:
            mark = "o" if ordered else MARKERS[i % len(MARKERS)]
            edge = {"markeredgecolor": PAPER, "markeredgewidth": 0.6}
            handles += ax.plot(x, y, mark, color=tone, markersize=6, **edge, clip_on=False, zorder=3)
    if len(found) > 1 or table.has(series):
        legend(figure, handles, [naming(series, name) for name in found])
    return figure


def _spans(ax: Axes, names: Sequence[Cell], values: list[float], layers: list[Cell]) -> None:
    for at, layer in enumerate(layers):
        row = finite(value for name, value in zip(names, values) if name == layer)
        if row:
            ax.plot([min(row), max(row)], [at, at], color=RULE, linewidth=2, zorder=2)

"""A value for every layer and every case, step or cause, as a grid of shaded cells with their numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.numbers import Cell
from spikewright.report.plots.layers import layer_figure
from spikewright.report.plots.reading import finite, groups, numbers
from spikewright.report.plots.style import FAINT, INK, MUTED, PAPER, STEPS, frame, no_data, styled, words
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK = 3
"""From this tone on, numbers are written in the colour of the paper."""


@styled
def draw(
    table: Table,
    *,
    layer: str = "layer",
    across: str = "T",
    value: str = "relative_error",
    full: float | None = None,
    label: str = "",
) -> Figure:
    """Draw one row of cells per layer, from input (top) to output, one column for each value of `across`.

    Args:
        table: one row per layer and column of cells.
        layer: column with the names of the layers.
        across: column with what the cells of a row are: a cause, an offset, a number of steps.
        value: column with fractions, written as per cent; None where it is not known.
        full: the fraction that gets the darkest tone; the largest of the table if None.
        label: what the columns of cells are; the name of the column `across` if empty.

    Raises:
        ReportError: for text in a column of numbers.
    """
    sizes = [100 * cell for cell in numbers(table, value)]
    layers, cases = list(groups(table, layer)), list(groups(table, across))
    figure, ax = layer_figure([str(name) for name in layers])
    frame(ax, label or across, grid="")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    if not layers:
        no_data(ax)
        return figure
    top = 100 * full if full else max(finite(sizes), default=0.0)
    places = {(name, case): i for i, (name, case) in enumerate(zip(table.column(layer), table.column(across)))}
    for (name, case), i in places.items():
        _cell(ax, cases.index(case), layers.index(name), sizes[i], top)
    ax.set_xlim(-0.5, len(cases) - 0.5)
    ax.set_xticks(range(len(cases)), [_called(case) for case in cases])
    return figure


def _called(case: Cell) -> str:
    return words(str(case), 24)


def _cell(ax: Axes, x: int, y: int, size: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    known = math.isfinite(size)
    tone = math.ceil(min(size / top, 1) * len(STEPS)) if known and top > 0 and size > 0 else 0
    colour = STEPS[tone - 1] if tone else FAINT if known else PAPER
    ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, edgecolor="none"))
    text = "–" if not known else f"{size:.0f}" if size >= 10 or size == 0 else f"{size:.1f}"
    ink = PAPER if tone > DARK else INK if known else MUTED
    ax.text(x, y, text, ha="center", va="center", fontsize=7.5, color=ink)

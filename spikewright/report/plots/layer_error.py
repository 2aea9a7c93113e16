"""How far each layer of the SNN is from the ANN, with the first layer that goes wrong marked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.report.plots.layers import BAR, layer_figure
from spikewright.report.plots.reading import finite, numbers
from spikewright.report.plots.style import INK, MUTED, SERIES, frame, no_data, styled
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD, BAD = SERIES[0], SERIES[1]
LATER = 0.45


@styled
def draw(table: Table, *, layer: str = "layer", error: str = "relative_error", limit: float | None = 0.1) -> Figure:
    """Draw the relative error between ANN activation and SNN rate as one bar per layer, in per cent.

    Args:
        table: one row per layer, from input to output.
        layer: column with the names of the layers.
        error: column with relative errors as fractions (0.05 is 5 %); None where an ANN layer is silent.
        limit: a layer above it is wrong; the first of them is marked. None marks nothing.

    Raises:
        ReportError: for text in a column of numbers.
    """
    sizes = [100 * value for value in numbers(table, error)]
    names = [str(name) for name in table.column(layer)]
    figure, ax = layer_figure(names)
    frame(ax, "relative error of the firing rate against the ANN activation [%]", grid="x")
    if not names:
        no_data(ax)
        return figure
    wrong = [i for i, size in enumerate(sizes) if limit is not None and size > 100 * limit]
    first = wrong[0] if wrong else len(sizes)
    bars = ax.barh(range(len(sizes)), [0.0 if math.isnan(size) else size for size in sizes], BAR, color=GOOD)
    for i in wrong:
        # What comes after the first wrong layer inherits its error, so it is paler.
        bars[i].set(facecolor=BAD, alpha=None if i == first else LATER)
    right = max(finite(sizes), default=0.0)
    ax.set_xlim(0, max(right, 150 * (limit or 0.0)) * 1.12 or 1)
    for i, size in enumerate(sizes):
        if math.isnan(size):
            ax.annotate("not known", (0, i), (4, 0), textcoords="offset points", va="center", color=MUTED, fontsize=8)
    if limit is not None:
        ax.axvline(100 * limit, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(
            f"limit {100 * limit:g} %",
            (100 * limit, 1),
            (3, 3),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            fontsize=8,
            color=MUTED,
        )
    if wrong:
        ax.get_yticklabels()[first].set(color=BAD, fontweight="bold")
        ax.annotate(
            "first above the limit",
            (sizes[first], first),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=BAD,
            fontweight="bold",
        )
    return figure

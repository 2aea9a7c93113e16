"""The frame of figures with one row per layer: any number of layers, names of any length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spikewright.report.plots.style import distinct, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_NAME = 30
BAR = 0.72


def layer_figure(names: Sequence[str], *, rows_each: int = 1) -> tuple[Figure, Axes]:
    """Return a figure that grows with its layers, the first one on top, all of them named.

    Args:
        names: the layers from input to output.
        rows_each: bars that stand one above the other in the row of a layer.
    """
    each = 0.19 if rows_each <= 1 else 0.12 + 0.09 * rows_each
    figure = new_figure(1.1 + each * max(len(names), 4))
    ax = figure.subplots()
    if names:
        ax.set_yticks(range(len(names)), distinct(names, LONGEST_NAME))
        ax.set_ylim(max(len(names), 2) - 0.4, -0.6)
    return figure, ax


def place(i: int, of: int) -> tuple[float, float]:
    """Return where the i-th of several bars stands in the row of its layer: offset and height.

    Example:
        >>> place(0, 1)
        (0.0, 0.72)
        >>> [round(place(i, 2)[0], 2) for i in (0, 1)]
        [-0.18, 0.18]
    """
    height = BAR / of
    return (i - (of - 1) / 2) * height, height

"""Every spike as a mark: time against neuron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import (
    INK,
    MUTED,
    RULE,
    SERIES,
    WIDTH,
    frame,
    legend,
    new_figure,
    no_data,
    styled,
    whole_ticks,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VECTOR_UP_TO = 10_000
POINTS = 72


@styled
def draw(spikes: Any, *, layers: Sequence[Sequence[Any]] = (), first_step: int = 1) -> Figure:
    """Draw a spike train of many neurons; spikes below 0 (signed neurons) get another colour.

    Args:
        spikes: array [T, neurons]; not 0 is a spike. Not changed.
        layers: (name, number of neurons) from the first neuron on; draws their borders and names.
        first_step: number of the first time step.

    Raises:
        ReportError: for an array of other dimensions, or layers with more neurons than there are.
    """
    array = np.asarray(spikes)
    if array.ndim != 2:
        raise ReportError(f"raster: got an array of shape {array.shape}; expected [T, neurons].")
    total, known = array.shape[1], sum(int(size) for _, size in layers)
    if known > total:
        raise ReportError(f"raster: got layers of {known} neurons in all; expected at most {total}, as in the array.")
    height = min(max(2.2 + total / 60, 2.8), 5.6)
    figure = new_figure(height)
    ax = figure.subplots()
    frame(ax, "time step", "neuron", grid="")
    if not array.size:
        no_data(ax)
        return figure
    handles, names = [], []
    for sign, name, colour in ((1, "spike", INK), (-1, "negative spike", SERIES[1])):
        steps, neurons = np.nonzero(array * sign > 0)
        if steps.size:
            handles.append(_marks(ax, steps + first_step, neurons, array.shape, height - 0.6, colour))
            names.append(name)
    ax.set_xlim(first_step - 0.6, first_step + array.shape[0] - 0.4)
    ax.set_ylim(total - 0.5, -0.5)
    for axis in "xy":
        whole_ticks(ax, axis)
    _borders(ax, layers)
    if len(names) > 1:
        legend(figure, handles, names)
    return figure


def _marks(ax: Axes, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], height: float, colour: str) -> Any:
    # Upright strokes as high as a row; where rows get too thin to see, a little higher.
    half = max(0.45, 1.6 * shape[1] / (POINTS * height))
    wide = min(max(0.3 * POINTS * WIDTH / shape[0], 0.6), 1.5)
    gap = np.full(x.size, np.nan)
    # All strokes as one line with gaps: one short path in the file instead of thousands of marks.
    strokes = np.stack([x, x, gap], 1).ravel(), np.stack([y - half, y + half, gap], 1).ravel()
    ax.plot(*strokes, color=colour, linewidth=wide, solid_capstyle="butt", rasterized=x.size > VECTOR_UP_TO)
    return ax.plot([], [], "|", color=colour, markeredgewidth=1.5)[0]


def _borders(ax: Axes, layers: Sequence[Sequence[Any]]) -> None:
    start = 0
    for name, size in layers:
        if start:
            ax.axhline(start - 0.5, color=RULE, linewidth=0.8)
        ax.annotate(
            words(str(name), 22),
            (1, start + (int(size) - 1) / 2),
            (5, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=MUTED,
        )
        start += int(size)

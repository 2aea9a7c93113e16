"""Loss and accuracy against the epoch: how a training went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spikewright.report.plots.reading import numbers
from spikewright.report.plots.style import frame, legend, look, new_figure, no_data, styled, whole_ticks
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def draw(
    table: Table,
    *,
    epoch: str = "epoch",
    loss: Sequence[str] | None = None,
    accuracy: Sequence[str] | None = None,
) -> Figure:
    """Draw losses on the left and accuracies (fractions, shown as per cent) on the right.

    Args:
        table: one row per epoch; a cell may be None where nothing was measured.
        epoch: column for the horizontal axis.
        loss: columns of the left panel; None takes every column with "loss" in its name.
        accuracy: columns of the right panel; None takes every column with "accuracy" in its name.

    Raises:
        ReportError: for text in a column of numbers, or a column that is not there.
    """
    names = [column.name for column in table.columns]
    losses = [name for name in names if "loss" in name] if loss is None else list(loss)
    accuracies = [name for name in names if "accuracy" in name] if accuracy is None else list(accuracy)
    panels = [("loss", losses, 1.0)] * bool(losses) + [("accuracy [%]", accuracies, 100.0)] * bool(accuracies)
    figure = new_figure(3.3)
    axes = figure.subplots(1, len(panels) or 1, squeeze=False)[0]
    if not panels:
        frame(axes[0], epoch)
        no_data(axes[0])
    x = numbers(table, epoch)
    handles: dict[str, Artist] = {}
    for ax, (title, columns, factor) in zip(axes, panels):
        frame(ax, epoch, title)
        drawn = _lines(ax, table, x, columns, factor, title.split()[0], handles)
        if not drawn:
            no_data(ax)
    if len(handles) > 1:
        legend(figure, list(handles.values()), [name or "loss, accuracy" for name in handles])
    return figure


def _lines(
    ax: Axes,
    table: Table,
    x: list[float],
    columns: list[str],
    factor: float,
    panel: str,
    handles: dict[str, Artist],
) -> bool:
    drawn = False
    for column in columns:
        y = [factor * value for value in numbers(table, column)]
        points = [(a, b) for a, b in zip(x, y) if math.isfinite(a + b)]
        if not points:
            continue
        # "train_loss" and "train_accuracy" are one thing seen twice: one colour, one entry in the legend.
        called = column.replace(panel, "").strip("_ .")
        place = list(handles).index(called) if called in handles else len(handles)
        style: dict[str, Any] = look(place)
        if len(points) > 25:
            style["marker"] = ""
        (line,) = ax.plot(*zip(*points), **style, zorder=3)
        handles.setdefault(called, line)
        drawn = True
    if drawn:
        whole_ticks(ax, "x")
        known = {at for at in x if math.isfinite(at)}
        if len(known) == 1:
            ax.set_xlim(min(known) - 1, max(known) + 1)
    return drawn

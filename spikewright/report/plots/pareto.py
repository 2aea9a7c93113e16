"""What can be had for how much: accuracy against a cost on a log scale, with the points that no other beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spikewright.report.numbers import scale
from spikewright.report.plots.reading import finite, numbers
from spikewright.report.plots.style import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    RULE,
    SERIES,
    frame,
    labelled,
    legend,
    look,
    new_figure,
    no_data,
    plain_log,
    styled,
    words,
)
from spikewright.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_LEVEL = (0, (2, 3))
_BESIDE = 5
_HEIGHT = 4.2


@styled
def draw(
    table: Table,
    *,
    cost: str = "energy",
    accuracy: str = "accuracy",
    timesteps: str = "T",
    series: Sequence[str] = ("recipe",),
    front: str = "front",
) -> Figure:
    """Draw accuracy (fractions, shown as per cent) over a cost; points on the front are joined by steps.

    Left of the steps and above them there is nothing. A cost of 0 has no place on the scale and is left out.

    Args:
        table: one row per point. A row without T (None) is an ANN: a broken level, with a diamond if it has a cost.
        cost: column with the cost, in the unit of its column.
        accuracy: column with fractions 0..1.
        timesteps: column with T; written beside the points on the front.
        series: columns that name the series together; the first also names the points on the front.
        front: column that is True for the points on the front.

    Raises:
        ReportError: for text in a column of numbers.
    """
    figure = new_figure(_HEIGHT)
    ax = figure.subplots()
    factor, unit = scale(table.column(cost), table.described(cost).unit)
    x = [factor * value if value > 0 else math.nan for value in numbers(table, cost)]
    y, steps = [100 * value for value in numbers(table, accuracy)], numbers(table, timesteps)
    on = [cell is True for cell in table.column(front)]
    frame(ax, f"{labelled(cost.replace('_', ' '), unit)} (log scale)", "accuracy [%]", grid="both")
    handles, names, labels, drawn = [], [], [], 0
    for name, rows in _series(table, series).items():
        shown = [row for row in rows if math.isfinite(x[row] + y[row] + steps[row])]
        if shown:
            style = look(drawn) | {"linestyle": "none", "markersize": 6.5, "marker": _marker(drawn)}
            _, full = (
                ax.plot([x[row] for row in part], [y[row] for row in part], **style, alpha=alpha, zorder=zorder)
                for part, alpha, zorder in (
                    ([row for row in shown if not on[row]], 0.35, 3),
                    ([row for row in shown if on[row]], 1.0, 5),
                )
            )
            handles += full
            names.append(name)
            drawn += 1
        labels += [(x[row], y[row], _text(table, series, row, steps[row])) for row in shown if on[row]]
        for row in (row for row in rows if math.isnan(steps[row]) and math.isfinite(y[row])):
            mark = "D" if math.isfinite(x[row]) else None
            ax.axhline(y[row], color=INK, linewidth=1, linestyle=_LEVEL, zorder=1)
            ann = {"color": INK, "marker": mark, "markersize": 7, "markeredgecolor": PAPER}
            handles += ax.plot([x[row]], [y[row]], **ann, linewidth=1, linestyle=_LEVEL, zorder=4)
            names.append(f"{name} ({y[row]:.1f} %)")
    if not handles:
        no_data(ax)
        return figure
    labels.sort()
    ax.plot([at for at, _, _ in labels], [at for _, at, _ in labels], color=MUTED, drawstyle="steps-post", zorder=2)
    if finite(x):
        plain_log(ax, "x")
    ax.margins(x=0.06, y=0.1)
    legend(figure, handles, names)
    _write(figure, ax, labels)
    return figure


def _series(table: Table, columns: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each series, by its name in words."""
    found: dict[str, list[int]] = {}
    for row, cells in enumerate(zip(*(table.column(name) for name in columns))):
        found.setdefault(", ".join(str(cell) for cell in cells if cell is not None), []).append(row)
    return found


def _marker(i: int) -> str:
    # Colours begin again after six; another marker tells the seventh from the first.
    return MARKERS[(i + i // len(SERIES)) % len(MARKERS)]


def _text(table: Table, series: Sequence[str], row: int, step: float) -> str:
    return f"{words(str(table.column(series[0])[row]), 24)}, T = {step:g}"


def _write(figure: Figure, ax: Axes, labels: Sequence[tuple[float, float, str]]) -> None:
    """Write beside each point of the front to its upper left, where no point can be.

    The axis begins so far left that all texts fit. Where a text stands already, the next is lifted, with a line to
    its point.
    """
    from matplotlib.text import Text

    notes = [
        ax.annotate(
            text,
            (x, y),
            (-_BESIDE, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.4, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "color": RULE, "shrinkA": 0, "shrinkB": 3},
            zorder=4,
        )
        for x, y, text in labels
    ]
    for note in notes:
        note.set_in_layout(False)
    figure.draw_without_rendering()
    figure.set_figheight(_HEIGHT + figure.legends[0].get_window_extent().height / figure.dpi)  # any number of series
    figure.draw_without_rendering()
    low, high = (math.log(limit) for limit in ax.get_xlim())
    beside = _BESIDE * figure.dpi / 72
    for note, (x, _, _) in zip(notes, labels):
        share = min((Text.get_window_extent(note).width + 1.5 * beside) / ax.bbox.width, 0.6)
        low = min(low, (math.log(x) - share * high) / (1 - share))
    ax.set_xlim(math.exp(low), math.exp(high))
    taken: list[Bbox] = []
    for note in notes:
        lifted = 3
        while any(Text.get_window_extent(note).overlaps(box) for box in taken):
            lifted += 2
            note.set_position((-_BESIDE, lifted))
        taken.append(Text.get_window_extent(note))
    top = max((box.y1 for box in taken), default=0.0)
    if top > ax.bbox.y1:
        bottom, upper = ax.get_ylim()
        ax.set_ylim(bottom, bottom + (upper - bottom) * (top + beside - ax.bbox.y0) / ax.bbox.height)

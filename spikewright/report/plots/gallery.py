"""Pictures in rows, grouped into columns: what each method shows of each network, beside what it should have shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import FAINT, INK, MUTED, WIDTH, frame, new_figure, no_data, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 0.35
"""Between groups, in widths of a picture."""


@styled
def draw(pictures: Any, truth: Any = None, *, rows: Sequence[str], groups: Sequence[Sequence[Any]]) -> Figure:
    """Draw a row of pictures for each method.

    Args:
        pictures: bytes [R, K, H, W, 3].
        truth: bytes [h, w, 3], drawn at the upper left; None for none.
        rows: names of the R rows.
        groups: name and number of pictures of each group of columns, from the left; the numbers add up to K.

    Raises:
        ReportError: for shapes or names that do not fit.
    """
    shown = np.asarray(pictures)
    counts = [int(count) for _, count in groups]
    if shown.ndim != 5 or shown.shape[-1] != 3 or len(rows) != len(shown) or sum(counts) != shown.shape[1]:
        met = f"an array of shape {shown.shape}, {len(rows)} rows and groups of {counts}"
        raise ReportError(f"gallery: got {met}; expected [R, K, H, W, 3], R rows, and groups that add up to K.")
    if not shown.size:
        figure = new_figure(2.0)
        ax = figure.subplots()
        frame(ax, grid="")
        no_data(ax)
        return figure
    names, columns = 2.6, sum(counts) + GAP * (len(counts) - 1)
    each = WIDTH / (names + columns)
    top = 0.9
    height = each * (len(shown) * 1.08 + top + 0.1)
    figure = new_figure(height)
    figure.set_layout_engine("none")
    unit_x, unit_y = 1 / (names + columns), each / height
    left = names
    starts = []
    for count in counts:
        starts.append(left)
        left += count + GAP
    for start, (name, count) in zip(starts, groups):
        x = (start + int(count) / 2) * unit_x
        figure.text(x, 1 - 0.55 * top * unit_y, str(name), ha="center", va="center", fontsize=7.5, color=INK)
    for row, name in enumerate(rows):
        bottom = 1 - (top + 1.08 * (row + 1)) * unit_y
        figure.text(
            (names - 0.2) * unit_x,
            bottom + 0.54 * unit_y,
            str(name),
            ha="right",
            va="center",
            fontsize=7.5,
            color=MUTED,
        )
        column = 0
        for start, count in zip(starts, counts):
            for place in range(count):
                ax = figure.add_axes(((start + place + 0.03) * unit_x, bottom, 0.94 * unit_x, 0.94 * unit_y))
                _show(ax, shown[row, column])
                column += 1
    if truth is not None:
        ax = figure.add_axes((0.0, 1 - 0.92 * top * unit_y, 0.9 * top * unit_x, 0.9 * top * unit_y))
        _show(ax, np.asarray(truth))
        figure.text(1.0 * top * unit_x, 1 - 0.5 * top * unit_y, "trigger", va="center", fontsize=7.5, color=INK)
    return figure


def _show(ax: Any, picture: np.ndarray) -> None:
    ax.imshow(picture.astype(np.uint8), interpolation="antialiased")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color(FAINT)

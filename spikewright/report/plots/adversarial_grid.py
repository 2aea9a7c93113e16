"""Images before and after an attack with their difference made visible, and what the network says of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import INK, MUTED, WIDTH, frame, new_figure, no_data, styled, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 8
"""Images side by side; more would be too small to see."""
ROWS = ("image", "change", "attacked")


@styled
def draw(
    clean: Any,
    adversarial: Any,
    difference: Any,
    *,
    largest: float,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    by: Sequence[str] = (),
) -> Figure:
    """Draw a column per image: as it was, what was changed, and as it became.

    Args:
        clean, adversarial: arrays [N, C, H, W], 0..255; one or three channels are shown as they are, of other numbers
            of channels the mean.
        difference: array [N, C, H, W], -127..127; it is shown around grey, so that 0 is grey, whatever its size.
        largest: change of a value that 127 stands for, on a scale of 0..1; it is said beside the row.
        before, after: what the network says of each image and of each attacked one.
        by: the attack that changed each.

    Raises:
        ReportError: for arrays of other or different shapes.
    """
    arrays = [np.asarray(part) for part in (clean, adversarial, difference)]
    if arrays[0].ndim != 4 or len({part.shape for part in arrays}) > 1:
        met = ", ".join(str(part.shape) for part in arrays)
        raise ReportError(f"adversarial_grid: got arrays of shape {met}; expected three of one shape [N, C, H, W].")
    count = min(len(arrays[0]), MOST)
    if not count:
        figure = new_figure(2.0)
        ax = figure.subplots()
        frame(ax, grid="")
        no_data(ax)
        return figure
    each = min(WIDTH / max(count, 4), 1.5)
    figure = new_figure(3 * each + 0.8)
    axes = figure.subplots(3, max(count, 4), squeeze=False)
    shown = (_picture(arrays[0]), _picture(128 + arrays[2].astype(float)), _picture(arrays[1]))
    for row, pictures in enumerate(shown):
        for column, ax in enumerate(axes[row]):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            if column >= count:
                continue
            picture = pictures[column]
            ax.imshow(picture, interpolation="nearest", cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=255)
        axes[row][0].set_ylabel(_row_name(row, largest), fontsize=8.5, color=MUTED)
    for column in range(count):
        _say(axes[0][column], before, column, top=True)
        _say(axes[2][column], after, column)
        if column < len(by):
            axes[1][column].set_xlabel(words(by[column], 18), fontsize=7, color=MUTED)
    return figure


def _picture(images: np.ndarray) -> np.ndarray:
    """[N, C, H, W] as bytes [N, H, W, 3], or [N, H, W] for any number of channels but three."""
    bounded = images.clip(0, 255)
    shown = bounded.transpose(0, 2, 3, 1) if images.shape[1] == 3 else bounded.mean(1)
    return shown.astype(np.uint8)


def _row_name(row: int, largest: float) -> str:
    if row != 1:
        return ROWS[row]
    factor = 0.5 / largest if largest > 0 else 1.0
    return f"{ROWS[row]}\n× {factor:.0f}" if factor >= 1.5 else ROWS[row]


def _say(ax: Any, texts: Sequence[str], place: int, *, top: bool = False) -> None:
    if place >= len(texts):
        return
    text = words(str(texts[place]), 16)
    if top:
        ax.set_title(text, fontsize=8, color=INK, pad=3)
    else:
        ax.set_xlabel(text, fontsize=8, color=INK)

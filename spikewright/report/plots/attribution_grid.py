"""Images beside what each method says of their pixels: for, against, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import FAINT, INK, MUTED, PAPER, SERIES, WIDTH, new_figure, no_data, styled, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_IMAGES = 8
"""Rows; more would make the figure longer than a page."""
MOST_METHODS = 9
"""Columns of maps in one band; further ones go into a band below."""


@styled
def draw(
    images: Any,
    maps: Any,
    *,
    methods: Sequence[str],
    labels: Sequence[str] = (),
    outlines: Any = None,
    known: Sequence[bool] = (),
) -> Figure:
    """Draw a row per image: the picture, and the map of each method around white.

    What speaks for the answer is orange, what speaks against it blue; each map is scaled to its own largest size, as
    the units of methods differ.

    Args:
        images: array [N, C, H, W], 0..255; of other numbers of channels than three the mean is shown.
        maps: array [M, N, H, W] of any scale, one for each method.
        methods: names of the methods.
        labels: what stands beside each image, e.g. the class that is explained.
        outlines: array [N, H, W] of 0 and 1, whose edge is drawn into every map; None for no outline.
        known: for each method whether it has a map; False leaves its cells grey. None given means all have.

    Raises:
        ReportError: for arrays of other shapes, or other numbers of names.
    """
    pictures, values = np.asarray(images), np.asarray(maps, dtype=float)
    fits = pictures.ndim == 4 and values.ndim == 4
    fits = fits and values.shape[1:] == (pictures.shape[0], *pictures.shape[2:]) and len(methods) == len(values)
    if not fits:
        raise ReportError(
            f"attribution_grid: got images {pictures.shape}, maps {values.shape} and {len(methods)} names; expected "
            "[N, C, H, W], [M, N, H, W] and M names."
        )
    marks = None if outlines is None else np.asarray(outlines)
    if marks is not None and marks.shape != (pictures.shape[0], *pictures.shape[2:]):
        raise ReportError(f"attribution_grid: got outlines {marks.shape}; expected [N, H, W] of the images.")
    count, across = min(len(pictures), MOST_IMAGES), min(len(methods), MOST_METHODS)
    if not count or not across:
        figure = new_figure(2.0)
        no_data(figure.subplots())
        return figure
    bands = -(-len(methods) // across)
    each = min(WIDTH / (across + 1), 1.4)
    figure = new_figure(bands * (count * each + 0.55))
    axes = figure.subplots(bands * count, across + 1, squeeze=False)
    shown = _shown(pictures)
    for place, row in enumerate(axes):
        band, image = divmod(place, count)
        _quiet(row)
        row[0].imshow(shown[image], interpolation="nearest", cmap="gray", vmin=0, vmax=255)
        if image < len(labels):
            row[0].set_ylabel(words(str(labels[image]), 14), fontsize=8, color=MUTED)
        for ax, number in zip(row[1:], range(band * across, len(methods))):
            has = number >= len(known) or known[number]
            _cell(ax, values[number, image] if has else None, None if marks is None else marks[image])
            if image == 0:
                ax.set_title(_broken(methods[number]), fontsize=7, color=INK, pad=3)
        for ax in row[1 + max(0, len(methods) - band * across) :]:
            ax.set_visible(False)
    return figure


def _cell(ax: Any, values: np.ndarray | None, mark: np.ndarray | None) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    if values is None or not np.isfinite(values).all():
        ax.set_facecolor(FAINT)
        ax.text(0.5, 0.5, "n/a", transform=ax.transAxes, ha="center", va="center", fontsize=8, color=MUTED)
        ax.set_box_aspect(1)
        return
    colours = LinearSegmentedColormap.from_list("signed", [SERIES[0], PAPER, SERIES[1]])
    largest = float(np.abs(values).max()) or 1.0
    ax.imshow(values / largest, interpolation="nearest", cmap=colours, vmin=-1, vmax=1)
    if mark is not None and mark.any() and not mark.all():
        ax.contour(mark, levels=[0.5], colors=[INK], linewidths=0.8)


def _shown(images: np.ndarray) -> np.ndarray:
    """[N, C, H, W] as bytes [N, H, W, 3], or [N, H, W] for any number of channels but three."""
    bounded = images.clip(0, 255)
    shown = bounded.transpose(0, 2, 3, 1) if images.shape[1] == 3 else bounded.mean(1)
    return shown.astype(np.uint8)


def _quiet(row: Any) -> None:
    for ax in row:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_color(FAINT)


def _broken(name: str) -> str:
    """A name on several short lines, broken before capitals, spaces and brackets.

    Example:
        >>> _broken("IntegratedGradients")
        'Integrated\\nGradients'
    """
    lines = [""]
    for place, letter in enumerate(name):
        small = place and name[place - 1].islower()
        starts = letter == "(" or letter == " " or (letter.isupper() and small)
        if starts and len(lines[-1]) > (3 if letter == " " else 4):
            lines.append("")
        lines[-1] += letter
    return "\n".join(words(line.strip(), 16) for line in lines)

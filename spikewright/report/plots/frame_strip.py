"""Pictures of one episode side by side, each with the step at which it was taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import FAINT, MUTED, WIDTH, frame, new_figure, no_data, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw(frames: Any, *, steps: Sequence[int] = ()) -> Figure:
    """Draw frames from left to right.

    Args:
        frames: bytes [N, H, W, 3].
        steps: of the environment, one per frame.

    Raises:
        ReportError: for an array of another shape.
    """
    pictures = np.asarray(frames)
    if pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ReportError(f"frame_strip: got an array of shape {pictures.shape}; expected [N, H, W, 3].")
    count, height, width = pictures.shape[:3]
    if not count:
        figure = new_figure(2.0)
        ax = figure.subplots()
        frame(ax, grid="")
        no_data(ax)
        return figure
    figure = new_figure(WIDTH / count * height / width + 0.35)
    for place, ax in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        ax.imshow(pictures[place].astype(np.uint8), interpolation="antialiased")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_color(FAINT)
        if place < len(steps):
            ax.set_xlabel(f"step {steps[place]:,}", fontsize=8, color=MUTED)
    return figure

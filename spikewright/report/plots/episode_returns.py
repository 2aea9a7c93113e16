"""Returns of single training episodes against the environment step at which they ended: a dot each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.plots.style import frame, legend, look, new_figure, no_data, steps_axis, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw(step: Any, total: Any, run: Any, *, names: Sequence[str] = ()) -> Figure:
    """Draw a dot per episode.

    Args:
        step: environment steps at its end, [N].
        total: its return, [N].
        run: place of its run among the names, [N].
        names: of the runs, each with a colour of its own.

    Raises:
        ReportError: for arrays of different shapes.
    """
    arrays = [np.asarray(part) for part in (step, total, run)]
    if len({part.shape for part in arrays}) > 1 or arrays[0].ndim != 1:
        met = ", ".join(str(part.shape) for part in arrays)
        raise ReportError(f"episode_returns: got arrays of shape {met}; expected three of one shape [N].")
    figure = new_figure(3.2)
    ax = figure.subplots()
    factor, text = steps_axis(float(arrays[0].max(initial=0)))
    frame(ax, text, "return of an episode")
    handles = []
    for place in range(len(names)):
        chosen = arrays[2] == place
        style = look(place)
        handles += ax.plot(
            factor * arrays[0][chosen], arrays[1][chosen], linestyle="", marker=style["marker"], markersize=3,
            color=style["color"], alpha=0.55, markeredgewidth=0,
        )  # fmt: skip
    if not len(arrays[0]):
        no_data(ax)
    elif len(names) > 1:
        legend(figure, handles, names)
    return figure

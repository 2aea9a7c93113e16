"""Every picture a report can hold, by the name under which its JSON asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spikewright.report.plots import accuracy_over_time as accuracy_over_time
from spikewright.report.plots import adversarial_grid as adversarial_grid
from spikewright.report.plots import attribution_grid as attribution_grid
from spikewright.report.plots import density_per_layer as density_per_layer
from spikewright.report.plots import discovery as discovery
from spikewright.report.plots import energy_against_accuracy as energy_against_accuracy
from spikewright.report.plots import episode_returns as episode_returns
from spikewright.report.plots import frame_strip as frame_strip
from spikewright.report.plots import gallery as gallery
from spikewright.report.plots import layer_error as layer_error
from spikewright.report.plots import layer_heatmap as layer_heatmap
from spikewright.report.plots import learning_curve as learning_curve
from spikewright.report.plots import membrane_histogram as membrane_histogram
from spikewright.report.plots import pareto as pareto
from spikewright.report.plots import raster as raster
from spikewright.report.plots import return_curve as return_curve
from spikewright.report.plots import robustness_curve as robustness_curve

_KINDS = (
    accuracy_over_time,
    adversarial_grid,
    attribution_grid,
    density_per_layer,
    discovery,
    energy_against_accuracy,
    episode_returns,
    frame_strip,
    gallery,
    layer_error,
    layer_heatmap,
    learning_curve,
    membrane_histogram,
    pareto,
    raster,
    return_curve,
    robustness_curve,
)

PLOTS: dict[str, Callable[..., Any]] = {kind.__name__.rpartition(".")[2]: kind.draw for kind in _KINDS}

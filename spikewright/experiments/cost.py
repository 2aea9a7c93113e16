"""cost_of(): what a spiking network costs on images in one row: firing rate, operations, weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.device import device_of
from ..core.spiking import Spiking
from ..data.images import ImageSource
from ..profile import count_operations, count_spikes
from ..report import Column, Report, Table
from ..sparsity import weights_left

COLUMNS = (
    Column("firing rate", "", 4, "Spikes per neuron and time step."),
    Column("synops", "M", 2, "Millions of synaptic operations per image: accumulations caused by spikes."),
    Column("MACs", "M", 2, "Millions of multiply-accumulates of analog values per image."),
    Column("weights", "", 0, "Of convolutions and linear layers."),
    Column("not zero", "", 0, "Weights that are left."),
)
COUNTED = 100
"""Images on which spikes and operations are counted, from the first on."""


@dataclass(frozen=True)
class Cost:
    """What a spiking network costs over T steps, a mean over images.

    Args:
        firing_rate: spikes per neuron and step.
        synops: synaptic operations per image.
        macs: multiply-accumulates of analog values per image.
        weights: stored weights of convolutions and linear layers.
        left: those that are not zero.
    """

    firing_rate: float
    synops: float
    macs: float
    weights: int
    left: int

    def cells(self) -> tuple[float, ...]:
        """The cells of `COLUMNS`."""
        return self.firing_rate, self.synops / 1e6, self.macs / 1e6, self.weights, self.left


def cost_of(model: Spiking, x: Tensor, timesteps: int) -> Cost:
    """Count spikes, operations and weights.

    Args:
        model: a `Spiking` network.
        x: images, [N, C, H, W].
        timesteps: T.
    """
    parts = list(x.split(20))
    spikes = count_spikes(model, parts, timesteps=timesteps)
    totals = count_operations(model, parts, timesteps=timesteps).totals()
    _, weights, left, _ = weights_left(model).rows[-1]
    return Cost(spikes.firing_rate(), totals.synops, totals.macs, int(weights), int(left))  # pyright: ignore[reportArgumentType]


def with_cost(report: Report, model: Spiking, images: ImageSource, timesteps: int) -> Report:
    """A report with what the network costs on the first images of a split, and the firing rates of its layers."""
    x, _ = images.gather(torch.arange(min(COUNTED, len(images))))
    x = x.to(device_of(model))
    caption = f"T = {timesteps}, the first {len(x)} images of the evaluation split."
    table = Table("Cost", COLUMNS, (cost_of(model, x, timesteps).cells(),), caption=caption)
    layers = count_spikes(model, list(x.split(20)), timesteps=timesteps).table()
    return replace(report, tables=(*report.tables, table, layers))

"""DCGS: differential coding with graded units and spiking neurons, training-free, for CNNs and Transformers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..statistics import GaussianOptimal, Statistic, per_channel
from ..unit_recipe import UnitRecipe


@dataclass(frozen=True, kw_only=True)
class DCGS(UnitRecipe):
    """Only changes are sent, neurons fire powers of two, and every other nonlinearity is an exact graded unit.

    For CNNs as it is. For networks whose nonlinearities are not ReLUs, `encode="everything"` turns every wire into
    spikes; the paper then takes 8 thresholds, `firing=MultiThreshold(thresholds=8)`, and 4 times the 99.9th
    percentile, `threshold=Percentile(), scale=4`.

    Args:
        firing, coding, signed, encode, threshold, scale: see `UnitRecipe`.

    A module that cannot be traced, kept whole with `convert(..., leaves=(Its class,))`, is a unit too: computed at
    every step on what has arrived so far; its operations are named as not counted.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301.
        Differs: thresholds are the exact minimum of the Gaussian error instead of 100 iterations towards it (which
        `GaussianOptimal(iterations=100)` gives), for T = 8; percentiles are those of both signs; max pools of any
        geometry are units.

    Example:
        >>> import torch
        >>> from spikewright.convert import convert
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> snn = convert(net, DCGS(), torch.rand(256, 4)).model
        >>> snn(torch.rand(5, 3, 4)).shape
        torch.Size([5, 3, 2])
    """

    threshold: Statistic = field(default_factory=lambda: GaussianOptimal(timesteps=8, groups=per_channel))

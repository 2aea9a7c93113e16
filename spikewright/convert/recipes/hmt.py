"""HMT: harmony multi-threshold neurons, several binary spikes at once, with thresholds of the least error."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...neurons.firing import Firing, Harmony
from ..codings import Coding, rate
from ..statistics import GaussianOptimal, Statistic, per_channel
from ..unit_recipe import UnitRecipe


@dataclass(frozen=True, kw_only=True)
class HMT(UnitRecipe):
    """Rate-coded neurons that fire every binary-weighted threshold that fits, up to n spikes in a step.

    `signed=True` lets the neuron of a ReLU take back what it fired too much, which the paper's does not
    ("correcting", this project's).

    Args:
        firing, coding, signed, encode, threshold, scale: see `UnitRecipe`. Thresholds hold for the T of `threshold`.

    Source: Zhang et al. 2026, "Generalized Threshold Optimization with Harmony Multi-Threshold Neurons for Accurate
        ANN-to-SNN Conversion", AAAI 2026.
        Differs: thresholds are the exact minimum of the Gaussian error instead of 1500 iterations towards it (which
        `GaussianOptimal(iterations=1500)` gives).

    Example:
        >>> import torch
        >>> from spikewright.convert import convert
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> snn = convert(net, HMT(), torch.rand(256, 4)).model
        >>> snn(torch.rand(2, 3, 4)).shape
        torch.Size([2, 3, 2])
    """

    firing: Firing = field(default_factory=Harmony)
    coding: Coding = rate
    signed: bool = False
    threshold: Statistic = field(default_factory=lambda: GaussianOptimal(timesteps=2, groups=per_channel))

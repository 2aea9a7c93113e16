"""HMT: harmony multi-threshold neurons, several binary spikes at once, with thresholds of the least error."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ...core.arguments import check_switch
from ...core.errors import ArgumentError, sentence
from ...core.neuron import Neuron
from ...neurons import HarmonyPair, HarmonyStore
from ...neurons.firing import Firing, Harmony, Sign
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
        communication: whether the two halves of a neuron on a wire tell each other what they fired; without, what was
            fired too much is never taken back.
        store: whether the neuron of a ReLU keeps downward spikes in a store, as a variant in the authors' code does.

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

    communication: bool = True
    store: bool = False
    firing: Firing = field(default_factory=Harmony)
    coding: Coding = rate
    signed: bool = False
    threshold: Statistic = field(default_factory=lambda: GaussianOptimal(timesteps=2, groups=per_channel))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_switch("HMT.communication", self.communication)
        check_switch("HMT.store", self.store)
        apart = [name for name, given in (("communication", not self.communication), ("store", self.store)) if given]
        if apart and not (isinstance(self.firing, Harmony) and self.coding is rate):
            met = f"{getattr(self, apart[0])} with {self.firing!r} in {self.coding!r} coding"
            raise ArgumentError(sentence(f"HMT.{apart[0]}", met, "firing=Harmony(...), coding=rate"))
        if self.store and self.signed:
            raise ArgumentError(sentence("HMT.store", "True with signed=True", "one of the two"))

    def neuron(self, sign: Sign, v_threshold: Tensor, ceiling: float | None = None) -> Neuron:
        if not isinstance(self.firing, Harmony):
            return super().neuron(sign, v_threshold, ceiling)
        if sign is Sign.BOTH and not self.communication:
            return HarmonyPair(firing=self.firing, v_threshold=v_threshold, amplitude=v_threshold, communication=False)
        if sign is Sign.POSITIVE and self.store:
            if ceiling is not None:
                v_threshold = v_threshold.clamp(max=ceiling / self.firing.reach)
            return HarmonyStore(firing=self.firing, v_threshold=v_threshold, amplitude=v_threshold)
        return super().neuron(sign, v_threshold, ceiling)

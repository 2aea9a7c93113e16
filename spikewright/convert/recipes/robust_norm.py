"""RobustNorm: thresholds from a high percentile of each activation, membranes start at zero: the baseline."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ...neurons.if_ import IF
from ..neuron_recipe import NeuronRecipe
from ..statistics import Percentile, Statistic


@dataclass(frozen=True, kw_only=True)
class RobustNorm(NeuronRecipe):
    """Robust normalisation: the classical conversion, as the baseline that newer methods are measured against.

    Args:
        threshold: statistic of the activations that becomes the threshold.
        start: membrane potential before the first step, in units of the threshold.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks for image classification", Frontiers in Neuroscience 11:682.
        Differs: thresholds instead of rescaled weights, which is the same network.

    Example:
        >>> RobustNorm().threshold.percentile, RobustNorm().start
        (99.9, 0.0)
    """

    threshold: Statistic | None = field(default_factory=Percentile)
    start: float = 0.0

    def neuron(self, v_threshold: Tensor) -> IF:
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=self.start)

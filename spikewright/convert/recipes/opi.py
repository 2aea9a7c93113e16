"""OPI: thresholds from data, and every membrane starts at half its threshold."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ...neurons.if_ import IF
from ..neuron_recipe import NeuronRecipe
from ..statistics import Percentile, Statistic


@dataclass(frozen=True, kw_only=True)
class OPI(NeuronRecipe):
    """Optimised potential initialisation.

    A start at half the threshold turns the neuron's floor into round-to-nearest: the expected error of a layer is zero
    and its square minimal, for every T. Thresholds come from training images; activations with a trained
    threshold (QCFS) keep it.

    Args:
        threshold: statistic of the activations that becomes the threshold, e.g. `Percentile` or `Maximum`, of a layer
            or of each channel.
        start: membrane potential before the first step, in units of the threshold; the paper's optimum is 0.5.

    Source: Bu et al. 2022, "Optimized Potential Initialization for Low-Latency Spiking Neural Networks", AAAI 2022,
        arXiv 2202.01440.
        Differs: the paper trains the thresholds as bounds of a clipped ReLU; here they may come from data.

    Example:
        >>> from spikewright.convert.statistics import Maximum, per_channel
        >>> OPI(threshold=Maximum(groups=per_channel)).start
        0.5
    """

    threshold: Statistic | None = field(default_factory=Percentile)

    def neuron(self, v_threshold: Tensor) -> IF:
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=self.start)

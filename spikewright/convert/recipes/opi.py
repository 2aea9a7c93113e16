"""OPI: thresholds from data, and every membrane starts at half its threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...neurons.if_ import IF
from ..operations import Site, is_relu
from ..recipe import Recipe
from ..rules import Rule
from ..statistics import At, Percentile, Statistic, at
from .qcfs import qcfs_to_if


@dataclass(frozen=True, kw_only=True)
class OPI(Recipe):
    """Optimised potential initialisation.

    A start at half the threshold turns the neuron's floor into round-to-nearest: the expected error of a layer is zero
    and its square minimal, for every T. Thresholds come from training images; activations with a trained
    threshold (QCFS) keep it.

    Args:
        threshold: statistic of the activations that becomes the threshold: `Percentile` or `Maximum`, of a layer or of
            each channel.
        start: membrane potential before the first step, in units of the threshold; the paper's optimum is 0.5.

    Source: Bu et al. 2022, "Optimized Potential Initialization for Low-Latency Spiking Neural Networks", AAAI 2022,
        arXiv 2202.01440.
        Differs: the paper trains the thresholds as bounds of a clipped ReLU; here they may come from data.

    Example:
        >>> from spikewright.convert.statistics import Maximum, per_channel
        >>> OPI(threshold=Maximum(groups=per_channel)).start
        0.5
    """

    threshold: Statistic = field(default_factory=Percentile)
    start: float = 0.5

    def __post_init__(self) -> None:
        if not -1e6 < self.start < 1e6:
            raise ArgumentError(sentence(f"{type(self).__name__}.start", repr(self.start), "a finite number"))

    def statistics(self) -> tuple[At, ...]:
        return at(is_relu, self.threshold)

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        return [relu_to_if(thresholds, self.start), qcfs_to_if(self.start)]


def relu_to_if(thresholds: Mapping[str, Tensor], start: float) -> Rule:
    """ReLU -> IF neuron with a measured threshold."""

    def neuron(site: Site) -> IF:
        v_threshold = thresholds[site.name]
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=start)

    return Rule("ReLU -> IF", is_relu, neuron)

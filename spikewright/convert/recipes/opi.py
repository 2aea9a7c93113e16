"""OPI: thresholds from data, and every membrane starts at half its threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real

from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...neurons.if_ import IF
from ..layers.clip import ClippedReLU
from ..max_pools import max_pool_to_average
from ..neuron_recipe import NeuronRecipe
from ..operations import is_relu
from ..rules import Rule
from ..statistics import Percentile, Statistic


@dataclass(frozen=True, kw_only=True)
class OPI(NeuronRecipe):
    """Optimised potential initialisation.

    A start at half the threshold turns the neuron's floor into round-to-nearest: the expected error of a layer is zero
    and its square minimal, for every T. Thresholds come from training images, or from training: with `trained_bound`,
    `prepare` makes every ReLU a clipped one, whose bound becomes the threshold without data. Activations with a
    trained threshold, clipped ReLUs and QCFS, always keep it.

    Args:
        threshold: statistic of the activations that becomes the threshold, e.g. `Percentile` or `Maximum`, of a layer
            or of each channel.
        start: membrane potential before the first step, in units of the threshold; the paper's optimum is 0.5.
        trained_bound: start value of the bound that each ReLU is trained with, the authors' is 4; none for a source
            with plain ReLUs.

    Source: Bu et al. 2022, "Optimized Potential Initialization for Low-Latency Spiking Neural Networks", AAAI 2022,
        arXiv 2202.01440.
        Differs: the paper trains the thresholds as bounds of a clipped ReLU; by default they come from data here.

    Example:
        >>> from spikewright.convert.statistics import Maximum, per_channel
        >>> OPI(threshold=Maximum(groups=per_channel)).start
        0.5
    """

    threshold: Statistic | None = field(default_factory=Percentile)
    trained_bound: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained_bound is not None and not (
            isinstance(self.trained_bound, Real) and 0 < self.trained_bound < float("inf")
        ):
            who = "OPI.trained_bound"
            raise ArgumentError(sentence(who, repr(self.trained_bound), "a finite number above 0, or none"))

    def prepare(self) -> list[Rule]:
        bound = self.trained_bound
        if bound is None:
            return []
        return [
            Rule("ReLU -> clipped ReLU", is_relu, lambda site: ClippedReLU(v_threshold=bound)),
            max_pool_to_average,
        ]

    def neuron(self, v_threshold: Tensor) -> IF:
        return IF(v_threshold=v_threshold, amplitude=v_threshold, start=self.start)

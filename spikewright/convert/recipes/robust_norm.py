"""RobustNorm: thresholds from a high percentile of each activation, membranes start at zero: the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..operations import is_relu
from ..recipe import Recipe
from ..rules import Rule
from ..statistics import At, Percentile, Statistic, at
from .opi import relu_to_if


@dataclass(frozen=True, kw_only=True)
class RobustNorm(Recipe):
    """Robust normalisation: the classical conversion, as the baseline that newer methods are measured against.

    Args:
        threshold: statistic of the activations that becomes the threshold.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks for image classification", Frontiers in Neuroscience 11:682.
        Differs: thresholds instead of rescaled weights, which is the same network.

    Example:
        >>> RobustNorm().threshold.percentile
        99.9
    """

    threshold: Statistic = field(default_factory=Percentile)

    def statistics(self) -> tuple[At, ...]:
        return at(is_relu, self.threshold)

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        return [relu_to_if(thresholds, 0.0)]

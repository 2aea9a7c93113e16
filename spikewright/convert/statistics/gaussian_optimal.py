"""GaussianOptimal: the threshold with the least squared error if the neuron's input is Gaussian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from ...core.errors import ArgumentError, ConversionError, DataError, sentence
from ...core.processes import Processes, together
from ..operations import Site, upper_bound
from .gain import iterated_threshold, optimal_threshold
from .level_statistic import LevelStatistic
from .statistic import Measure, signed_input


@dataclass(frozen=True, kw_only=True, repr=False)
class GaussianOptimal(LevelStatistic):
    """The threshold with the least mean squared error of a neuron whose input is Gaussian, from its mean and variance.

    Two numbers per group are measured, of what the activation gets, negative values included: far less than the
    histogram of `ErrorOptimal`, and known to batch norm without any data, see `thresholds_without_data`. The less the
    input is Gaussian, the more `ErrorOptimal` gains over it. A group whose input does not vary takes that input as
    its outermost level, and its layer's largest threshold if it is negative.

    Args:
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`.
        timesteps: T, the number of time steps that the network is to be run for.
        levels: what the neuron can say in them; none for those of an IF neuron, 0..T, or for the recipe to choose.
        iterations: of the published iteration, which starts at 1 and where levels are many is far from done after
            the published 100 (Huang et al.) or 1500 (Zhang et al.); none for the exact threshold.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025, arXiv
        2503.00301; Zhang et al. 2026, "Generalized Threshold Optimization with Harmony Multi-Threshold Neurons for
        Accurate ANN-to-SNN Conversion", AAAI 2026.
        Differs: the exact threshold by default. The code of Zhang et al. adds 1e-8 to the variance.
    """

    iterations: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.iterations
        if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
            allowed = "a whole number of at least 1, or none"
            raise ArgumentError(sentence("GaussianOptimal.iterations", repr(given), allowed))

    def reading(self, site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
        bound = upper_bound(site)
        if bound is not None:
            raise ConversionError(
                f"{site.name} ({site.kind}): is bounded at {bound:g}, which GaussianOptimal does not model; expected "
                "an activation without a bound. Measure its output, with ErrorOptimal, Percentile or Maximum."
            )
        return signed_input(site)

    def begin(self, who: str) -> Measure:
        return _RunningMoments(self, who)

    def threshold(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """Mean and standard deviation of each group [G] -> its threshold, float64 [G]."""
        if self.iterations is None:
            return optimal_threshold(mu, sigma, self.said)
        return iterated_threshold(mu, sigma, self.said, self.iterations)


class _RunningMoments(Measure):
    """Mean and sum of squared deviations of each group, float64, pooled over batches without loss (Chan et al.)."""

    def __init__(self, statistic: GaussianOptimal, who: str) -> None:
        self.statistic, self.who = statistic, who
        self.count = 0
        self.mean = self.squares = torch.zeros((), dtype=torch.float64)

    def update(self, values: Tensor) -> None:
        values = values.flatten(1).double()
        more = values.shape[1]
        if not more:
            return
        mean = values.mean(1)
        squares = (values - mean.unsqueeze(1)).square().sum(1)
        apart, total = mean - self.mean, self.count + more
        self.squares = self.squares + squares + apart.square() * (self.count * more / total)
        self.mean = self.mean + apart * (more / total)
        self.count = total

    def merge(self, processes: Processes) -> None:
        own, mean = self.count, self.mean
        self.count = int(together(torch.tensor(own), processes))
        if self.count:
            self.mean = together(mean * (own / self.count), processes)
            self.squares = together(self.squares + (mean - self.mean).square() * own, processes)

    def result(self) -> Tensor:
        if not self.count:
            raise DataError(f"{self.who}: got no value; expected at least one batch.")
        return self.statistic.threshold(self.mean, (self.squares / self.count).sqrt()).float()

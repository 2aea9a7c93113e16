"""ErrorOptimal: the threshold with which a neuron's mean output over T steps comes closest to the activation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from .histogram import RunningHistogram
from .statistic import Measure, Statistic


@dataclass(frozen=True, kw_only=True, repr=False)
class ErrorOptimal(Statistic):
    """The threshold with the least mean squared difference between activation and mean output over T steps.

    A low threshold clips large activations, a high one leaves few levels for the small ones; this is the best
    trade for a given T. For IF neurons that start at half their threshold, as those of OPI do, and a constant
    input. Activations are known to 1/1024 of their value; those below 1/2048 of the layer's largest count as zero.

    Args:
        timesteps: T, the number of time steps that the network is to be run for; more steps allow a higher
            threshold. 8 is the low-latency case in which the trade matters most.
        groups: `per_layer` or `per_channel`.

    Source: Li et al. 2021, "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration",
        ICML 2021, arXiv 2106.06984.
        Differs: the authors' code searches 95 hundredths of each batch's largest activation, for neurons without
        the start at half the threshold, and averages over batches; here the minimum over all data is found.
    """

    timesteps: int = 8

    def __post_init__(self) -> None:
        if isinstance(self.timesteps, bool) or not isinstance(self.timesteps, int) or self.timesteps < 1:
            raise ArgumentError(
                sentence(
                    "ErrorOptimal.timesteps",
                    repr(self.timesteps),
                    "a whole number of at least 1",
                    "Give the number of time steps that the network is to be run for",
                )
            )

    def begin(self, who: str) -> Measure:
        return _RunningError(self.timesteps, who)


class _RunningError(Measure):
    def __init__(self, timesteps: int, who: str) -> None:
        self.timesteps = timesteps
        self.histogram = RunningHistogram(who)

    def update(self, values: Tensor) -> None:
        self.histogram.count(values)

    def result(self) -> Tensor:
        from .least_error import least_error_threshold

        self.histogram.total()
        edges, found = self.histogram.edges().numpy(), []
        for counts in self.histogram.counts.numpy():
            occupied = counts[1:].nonzero()[0] + 1
            values, often = edges[occupied], counts[occupied].astype(float)
            found.append(least_error_threshold(values, often, self.timesteps) if len(values) else 0.0)
        return torch.tensor(found)

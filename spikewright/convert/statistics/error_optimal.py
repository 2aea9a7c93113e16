"""ErrorOptimal: the threshold with which a neuron's mean output over T steps comes closest to the activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from ...core.errors import ArgumentError, sentence
from ...core.processes import Processes
from ..operations import Site
from .histogram import RunningHistogram
from .level_statistic import LevelStatistic
from .levels import Levels
from .statistic import Measure, positive_output, size_of_input


@dataclass(frozen=True, kw_only=True, repr=False)
class ErrorOptimal(LevelStatistic):
    """The threshold with the least mean squared difference between activation and mean output over T steps.

    A low threshold clips large activations, a high one leaves few levels for the small ones; this is the best
    trade for a given T. For a constant input and neurons that say the level nearest to it, as IF neurons do that
    start at half their threshold, e.g. those of OPI. Activations are known to 1/1024 of their value; those below
    1/2048 of the layer's largest count as zero. `GaussianOptimal` asks for mean and variance alone.

    Args:
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`.
        timesteps: T, the number of time steps that the network is to be run for; more steps allow a higher
            threshold. 8 is the low-latency case in which the trade matters most.
        levels: what the neuron can say in them, from 0 on, or as much below 0 as above: then the size of the
            input is measured. None for those of an IF neuron, 0..T, or for the recipe to choose.

    Source: Li et al. 2021, "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration",
        ICML 2021, arXiv 2106.06984.
        Differs: the authors' code searches 95 hundredths of each batch's largest activation, for neurons without
        the start at half the threshold, and averages over batches; here the minimum over all data is found.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = self.said
        if levels.lowest not in (0, -levels.highest):
            raise ArgumentError(
                sentence(
                    "ErrorOptimal.levels",
                    repr(levels),
                    "a lowest level of 0 or of minus the highest",
                    "GaussianOptimal takes any",
                )
            )

    def reading(self, site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
        return (size_of_input if self.said.lowest else positive_output)(site)

    def begin(self, who: str) -> Measure:
        return _RunningError(self.said, who)


class _RunningError(Measure):
    refuses_broken = True  # the histogram does, in the pass that counts

    def __init__(self, levels: Levels, who: str) -> None:
        self.levels = levels
        self.histogram = RunningHistogram(who)

    def update(self, values: Tensor) -> None:
        self.histogram.count(values)

    def merge(self, processes: Processes) -> None:
        self.histogram.merge(processes)

    def result(self) -> Tensor:
        from .least_error import least_error_threshold

        self.histogram.total()
        edges, found = self.histogram.edges().numpy(), []
        count = self.levels.highest
        for counts in self.histogram.counts.numpy():
            occupied = counts[1:].nonzero()[0] + 1
            values, often = edges[occupied], counts[occupied].astype(float)
            outermost = least_error_threshold(values, often, count) if len(values) else 0.0  # that of `count` levels
            found.append(outermost * (self.levels.density / count))
        return torch.tensor(found)

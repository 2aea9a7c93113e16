"""Maximum: the largest activation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import DataError
from ...core.processes import Processes, together
from .statistic import Measure, Statistic


@dataclass(frozen=True, kw_only=True, repr=False)
class Maximum(Statistic):
    """The largest activation.

    Args:
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`.

    Source: Diehl et al. 2015, "Fast-classifying, high-accuracy spiking deep networks", IJCNN 2015.
    """

    def begin(self, who: str) -> Measure:
        return _RunningMaximum(who)


class _RunningMaximum(Measure):
    def __init__(self, who: str) -> None:
        self.who = who
        self.top: Tensor | None = None

    def update(self, values: Tensor) -> None:
        top = values.amax(tuple(range(1, values.dim()))).clamp_(min=0)
        self.top = top if self.top is None else torch.maximum(self.top, top)

    def merge(self, processes: Processes) -> None:
        if self.top is not None:
            self.top = together(self.top, processes, "max")

    def result(self) -> Tensor:
        if self.top is None:
            raise DataError(f"{self.who}: got no value; expected at least one batch.")
        return self.top

"""SpikeFlips: in binary frames, at most so many entries are flipped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, DataError, sentence
from ..event_budget import EventBudget, Moves, changes_of_one_entry, largest, steepest_entry


@dataclass(frozen=True, kw_only=True)
class SpikeFlips(EventBudget):
    """z is 0 or 1 everywhere, and differs from x in at most eps entries: spikes are added and deleted.

    Args:
        eps: most entries flipped, a whole number.
        low, high: 0 and 1.

    Source: Liang et al. 2023, "Exploring Adversarial Attack in Spiking Neural Networks with Spike-Compatible
        Gradient", IEEE TNNLS 34(5), arXiv 2001.01587; Lun et al. 2025, "Towards Effective and Sparse Adversarial Attack
        on Spiking Neural Networks via Breaking Invisible Surrogate Gradients", CVPR 2025.

    Example:
        >>> SpikeFlips(eps=1).project(torch.tensor([[0.7, 0.0, 0.9]]), torch.tensor([[0.0, 1.0, 0.0]]))
        tensor([[0., 0., 0.]])
    """

    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high != 1:
            raise ArgumentError(sentence("SpikeFlips.high", repr(self.high), "1", "For counts take EventCounts"))

    def check(self, x: Tensor) -> None:
        if bool(((x != 0) & (x != 1)).any()):
            todo = "Make frames with pixel=binary, or take EventCounts"
            raise DataError(sentence("SpikeFlips", "values other than 0 and 1", "binary frames", todo))

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        nearer = ((1 - 2 * x) * (2 * z - 1)).flatten(1)  # by what a flip reduces the squared distance to z
        flip = largest(nearer, self.eps) & (nearer > 0)
        return torch.where(flip.view_as(x), 1 - x, x)

    def steepest(self, gradient: Tensor) -> Tensor:
        return steepest_entry(gradient)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        return (z != x).flatten(1).sum(1).to(x.dtype)

    def moves(self, z: Tensor, x: Tensor, gradient: Tensor, count: int) -> Moves:
        return changes_of_one_entry(z, 1.0, gradient, count)

    def together(self, places: Tensor, x: Tensor) -> Tensor:
        return places[:, None]

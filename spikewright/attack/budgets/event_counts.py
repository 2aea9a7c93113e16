"""EventCounts: in frames that count events, at most so many events are added or removed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..event_budget import EventBudget, Moves, changes_of_one_entry, steepest_entry

HALVINGS = 40
"""A level is known to a part in 1e12: far closer than whole numbers lie, far coarser than a float64 rounds."""


@dataclass(frozen=True, kw_only=True)
class EventCounts(EventBudget):
    """z counts events, and the sum of |z - x| is at most eps: each event added or removed costs 1, a moved one 2.

    Args:
        eps: most events added and removed, a whole number.
        low: 0.
        high: most events that an entry may hold, e.g. the largest count of the data.

    Source: integer frames as in Liang et al. 2023, "Exploring Adversarial Attack in Spiking Neural Networks with
        Spike-Compatible Gradient", IEEE TNNLS 34(5), arXiv 2001.01587.

    Example:
        >>> EventCounts(eps=3).project(torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
        tensor([[3., 2.]])
    """

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        room = torch.where(z > x, (self.high - x).clamp(min=0), x).double()
        far = (z - x).abs().double()

        def events(level: Tensor) -> Tensor:
            """How many changes of each entry reduce the squared distance to z by more than a level."""
            wanted = (far.flatten(1) + 0.5 - level[:, None]).ceil() - 1
            return torch.minimum(wanted.clamp(min=0), room.flatten(1))

        none = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        too_low, enough = none, far.flatten(1).amax(1) + 1
        fits = events(none).sum(1) <= self.eps
        for _ in range(HALVINGS):
            level = (too_low + enough) / 2
            fewer = events(level).sum(1) <= self.eps
            too_low, enough = torch.where(fewer, too_low, level), torch.where(fewer, level, enough)
        made = events(torch.where(fits, none, enough))
        spare = self.eps - made.sum(1, keepdim=True)
        more = events(torch.where(fits, none, too_low)) - made  # equally good ones: the first of them, while they fit
        made = made + torch.minimum(more, (spare - more.cumsum(1) + more).clamp(min=0))
        return x + (z - x).sign() * made.view_as(x).to(x.dtype)

    def steepest(self, gradient: Tensor) -> Tensor:
        return steepest_entry(gradient)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        return (z - x).flatten(1).abs().sum(1)

    def moves(self, z: Tensor, x: Tensor, gradient: Tensor, count: int) -> Moves:
        return changes_of_one_entry(z, x.clamp(min=self.high), gradient, count)

    def together(self, places: Tensor, x: Tensor) -> Tensor:
        return places[:, None]

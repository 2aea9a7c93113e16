"""TwinCritic: two independent estimates of the return of an action."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..models.mlp import mlp
from .actor import Space


class TwinCritic(nn.Module):
    """Two ordinary networks of observation and action, each with one output.

    Args:
        space: observations and actions of the environment.
        hidden: units of each hidden layer.

    Source: Fujimoto, van Hoof and Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", ICML
        2018, arXiv 1802.09477, section 4.2.

    Example:
        >>> critic = TwinCritic(Space(3, (-1.0,), (1.0,)))
        >>> [q.shape for q in critic(torch.zeros(2, 3), torch.zeros(2, 1))]
        [torch.Size([2]), torch.Size([2])]
    """

    def __init__(self, space: Space, *, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__()
        shape = (space.observations + space.actions,)
        self.first, self.second = (mlp(1, nn.ReLU, shape=shape, widths=tuple(hidden), mean=(), std=()) for _ in "12")

    def forward(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Observations [N, D] and actions [N, A] -> both estimates, [N] each."""
        both = torch.cat([x, action], 1)
        return self.first(both)[:, 0], self.second(both)[:, 0]

    def one(self, x: Tensor, action: Tensor) -> Tensor:
        """The first estimate alone, [N]: what the actor climbs."""
        return self.first(torch.cat([x, action], 1))[:, 0]

"""Normalize: pixel scaling as the first layer of a network, so that images stay in [0, 1] outside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence


class Normalize(nn.Module):
    """(x - mean) / std per channel.

    Args:
        mean: one number per channel, in the unit of x.
        std: one number above 0 per channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not len(mean) or min(std) <= 0:
            raise ArgumentError(
                sentence(
                    "Normalize",
                    f"mean {tuple(mean)}, std {tuple(std)}",
                    "one mean and one std above 0 per channel",
                )
            )
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return (x - self.mean) / self.std

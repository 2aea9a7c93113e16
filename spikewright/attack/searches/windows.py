"""Windows: a square part of every image of a batch, at a random place of its own in each sample."""

from __future__ import annotations

import torch
from torch import Tensor

Corners = tuple[Tensor, Tensor]
"""First row and first column of each sample's window, [N] each."""


def random_corners(x: Tensor, side: int, generator: torch.Generator) -> Corners:
    """Where windows of a side lie in images [N, C, H, W]; every place that fits is equally likely."""

    def drawn(size: int) -> Tensor:
        return torch.randint(size - side + 1, (len(x),), generator=generator, device=generator.device).to(x.device)

    return drawn(x.shape[-2]), drawn(x.shape[-1])


def mask_of(corners: Corners, side: int, x: Tensor) -> Tensor:
    """True inside the windows, [N, 1, H, W].

    Example:
        >>> mask_of((torch.tensor([1]), torch.tensor([0])), 1, torch.zeros(1, 3, 2, 2)).int().tolist()
        [[[[0, 0], [1, 0]]]]
    """

    def within(first: Tensor, size: int) -> Tensor:
        place = torch.arange(size, device=x.device)
        return (place >= first[:, None]) & (place < first[:, None] + side)

    rows, columns = within(corners[0], x.shape[-2]), within(corners[1], x.shape[-1])
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def index_of(corners: Corners, side: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """An index with which x[index] are the windows, [N, C, side, side].

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> x[index_of((torch.tensor([1]), torch.tensor([0])), 1, x)]
        tensor([[[[2.]]]])
    """
    steps = torch.arange(side, device=x.device)
    samples, channels = (torch.arange(size, device=x.device) for size in x.shape[:2])
    rows, columns = (first[:, None] + steps for first in corners)
    return samples[:, None, None, None], channels[:, None, None], rows[:, None, :, None], columns[:, None, None, :]

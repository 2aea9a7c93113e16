"""Maps that know nothing of the network, which a method has to beat to be worth its time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..core.seed import generator
from .map import Map


def edges(images: Tensor) -> Tensor:
    """Size of the Sobel gradient of the channels' mean, the border repeated, [N, H, W].

    Args:
        images: [N, C, H, W].

    Example:
        >>> edges(torch.tensor([[[[0.0, 0.0, 1.0]] * 3]]))[0, 1]
        tensor([0., 4., 4.])
    """
    grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    found = F.conv2d(grey, torch.stack([across, across.T])[:, None])
    return found.square().sum(1).sqrt()


def centred(images: Tensor) -> Tensor:
    """A Gaussian in the middle, a quarter of the side wide, [N, H, W]."""
    height, width = images.shape[-2:]
    down, right = (torch.linspace(-2, 2, side, device=images.device) for side in (height, width))
    bump = torch.exp(-(down[:, None].square() + right.square()) / 2)
    return bump.to(images).expand(len(images), height, width).clone()


def noise(images: Tensor, seed: int) -> Tensor:
    """Independent normal numbers, [N, H, W]."""
    drawn = torch.randn(len(images), *images.shape[-2:], generator=generator(seed, 6))
    return drawn.to(images)


EDGE = "edge detector"
"""The row that no table goes without."""

BASELINES: dict[str, Callable[[Tensor, int], Tensor]] = {
    EDGE: lambda images, seed: edges(images),
    "blank": lambda images, seed: torch.zeros_like(images[:, 0]),
    "random": noise,
    "centred Gaussian": lambda images, seed: centred(images),
}
"""Name -> function of images [N, C, H, W] and a seed to maps [N, H, W]."""


def baseline_map(name: str, images: Tensor, seed: int) -> Map:
    """The map of a baseline."""
    values = BASELINES[name](images, seed)
    return Map(values=values, absolute=values.abs())

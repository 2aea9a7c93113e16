"""Embeddings: how a judge sees a picture, as a vector of length one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ...core.errors import ArgumentError, sentence
from ..lite import SMALLEST, Lite
from .options import check_pictures

GREYS = (0.3, 0.7)
"""Backgrounds on which a picture is shown besides full frame."""
PART = 0.625
"""Share of the frame's side that a picture on a background takes."""


class Embedding(Protocol):
    """What a judge needs of an embedding.

    `name` is printed beside its results, `trained_on` names its training set ("nothing" if it has none), `smallest`
    is the shortest side in pixels that it takes. A call gives vectors [N, D] of length one for pictures
    [N, 3, H, W] in 0..1 (or of length zero where there is nothing to see), each for itself.
    """

    @property
    def name(self) -> str: ...
    @property
    def trained_on(self) -> str: ...
    @property
    def smallest(self) -> int: ...

    def __call__(self, pictures: Tensor) -> Tensor: ...


def renderings(pictures: Tensor, side: int) -> Tensor:
    """A picture full frame, and smaller on a dark and on a light grey, [3, N, 3, side, side].

    Example:
        >>> renderings(torch.ones(2, 3, 32, 32), 64)[1, 0, 0, 0, 0].item()
        0.30000001192092896
    """
    part, edge = round(PART * side), (side - round(PART * side)) // 2
    rest = side - part - edge
    small = _to(pictures, part)
    shown = [_to(pictures, side), *(functional.pad(small, (edge, rest, edge, rest), value=grey) for grey in GREYS)]
    return torch.stack(shown)


@dataclass(frozen=True, kw_only=True, eq=False)
class LiteEmbedding:
    """The pooled features of a network, averaged over the three renderings of a picture.

    Args:
        network: e.g. `lite(0, side=128)`.
        batch: how many renderings are run at once.
    """

    network: Lite
    batch: int = 96

    @property
    def name(self) -> str:
        """EfficientNet-Lite and its version."""
        return f"EfficientNet-Lite{self.network.version} features"

    @property
    def trained_on(self) -> str:
        """Its training set."""
        return self.network.trained_on

    @property
    def smallest(self) -> int:
        """Pixels of the shortest side."""
        return SMALLEST

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Embed pictures [N, 3, H, W] in 0..1, [N, 1280]."""
        check_pictures(pictures, "LiteEmbedding.pictures")
        shown = renderings(pictures, self.network.side)
        seen = torch.cat([self.network.features(part) for part in shown.flatten(0, 1).split(self.batch)])
        return functional.normalize(functional.normalize(seen, dim=1).unflatten(0, shown.shape[:2]).mean(dim=0), dim=1)


@dataclass(frozen=True, kw_only=True)
class PixelEmbedding:
    """Pixels and colours without any weights: for pictures too small for a network, and as a second judge.

        phi = [sqrt(1 - c) unit(p - mean p), sqrt(c) sqrt(h)]

    p are the pixels at a small size, so that the product of two is their correlation; h is the share of pixels in
    each colour bin (each pixel divided among its neighbouring bins), so that the product is the Bhattacharyya
    coefficient, wherever the colours are.

    Args:
        side: pixels to which a picture is resized, >= 2.
        bins: colour bins per channel, >= 2.
        colour: weight c of the colours, 0..1.
    """

    side: int = 10
    bins: int = 4
    colour: float = 0.5

    def __post_init__(self) -> None:
        if self.side < 2 or self.bins < 2 or not 0 <= self.colour <= 1:
            met = f"side={self.side}, bins={self.bins}, colour={self.colour}"
            raise ArgumentError(sentence("PixelEmbedding", met, "side >= 2, bins >= 2 and a colour weight in 0..1"))

    @property
    def name(self) -> str:
        """Pixels, and the share of the colours."""
        return "pixels" if not self.colour else f"pixels and colours ({self.colour:g})"

    @property
    def trained_on(self) -> str:
        """Its training set: none."""
        return "nothing"

    @property
    def smallest(self) -> int:
        """Pixels of the shortest side."""
        return 1

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Embed pictures [N, 3, H, W] in 0..1, [N, 3 side^2 + bins^3]."""
        check_pictures(pictures, "PixelEmbedding.pictures")
        small = _to(pictures, self.side).flatten(1)
        pixels = functional.normalize(small - small.mean(dim=1, keepdim=True), dim=1)
        colours = _shares(pictures, self.bins).sqrt()
        return torch.cat([(1 - self.colour) ** 0.5 * pixels, self.colour**0.5 * colours], dim=1)


def _to(pictures: Tensor, side: int) -> Tensor:
    if tuple(pictures.shape[2:]) == (side, side):
        return pictures
    return functional.interpolate(
        pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)


def _shares(pictures: Tensor, bins: int) -> Tensor:
    at = pictures.flatten(2).unsqueeze(-1) * (bins - 1)  # [N, 3, P, 1]
    near = (1 - (at - torch.arange(bins, dtype=at.dtype)).abs()).clamp(min=0)  # [N, 3, P, bins]
    red, green, blue = near.unbind(dim=1)
    return torch.einsum("npr,npg,npb->nrgb", red, green, blue).flatten(1) / at.shape[2]

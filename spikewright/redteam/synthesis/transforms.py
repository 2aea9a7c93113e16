"""Random changes of pictures in plain torch, differentiable: colour, blur, noise, and warps with an explicit alpha."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

GREYS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of a pixel."""


def uniform(generator: torch.Generator, count: int, low: float, high: float, like: Tensor) -> Tensor:
    """[N] numbers between two bounds, on the device and in the dtype of another tensor."""
    return (low + (high - low) * torch.rand(count, generator=generator)).to(like)


def shifted_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of images [N, 3, h, w], one turn (share of the circle) each, around the axis of greys.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> shifted_hue(red, torch.tensor([1 / 3])).flatten().round(decimals=4).abs()
        tensor([0., 1., 0.])
    """
    angle = 2 * math.pi * turn
    third, cos, sin = 1 / 3, angle.cos(), angle.sin()
    along, across = cos + (1 - cos) * third, sin * math.sqrt(third)
    other = (1 - cos) * third
    rows = [along, other - across, other + across]
    turned = torch.stack([torch.stack(rows[-k:] + rows[:-k] if k else rows, 1) for k in range(3)], 1)
    return torch.einsum("nij,njhw->nihw", turned, x)


def jitter_colours(x: Tensor, generator: torch.Generator, amount: float = 0.25, hue: float = 0.05) -> Tensor:
    """Brightness, contrast and saturation times U(1 - amount, 1 + amount), and the hue turned by up to +-hue.

    Args:
        x: [N, 3, h, w] in 0..1; each image has its own numbers.
        generator: of the numbers.
        amount: 0..1.
        hue: share of the circle.

    Returns:
        [N, 3, h, w], not yet limited to 0..1.

    Source: the values are those of Casper et al. 2022, arXiv 2110.03605. Differs: the order is fixed.
    """
    brightness, contrast, saturation = (
        uniform(generator, len(x), 1 - amount, 1 + amount, x).view(-1, 1, 1, 1) for _ in range(3)
    )
    x = x * brightness
    weights = torch.tensor(GREYS, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    mean = (x * weights).sum((1, 2, 3), keepdim=True) / (x.shape[2] * x.shape[3])
    x = mean + contrast * (x - mean)
    grey = (x * weights).sum(1, keepdim=True)
    x = grey + saturation * (x - grey)
    return shifted_hue(x, uniform(generator, len(x), -hue, hue, x)) if hue else x


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Images [N, C, h, w] under a Gaussian of 3 x 3 pixels, of a width each.

    Example:
        >>> blurred(torch.ones(1, 1, 2, 2), torch.tensor([0.7])).unique()
        tensor([1.])
    """
    side = torch.exp(-0.5 / sigma.square()).view(-1, 1, 1, 1)
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = (x[..., 1:-1] + side * (x[..., :-2] + x[..., 2:])) / (1 + 2 * side)
    return (x[..., 1:-1, :] + side * (x[..., :-2, :] + x[..., 2:, :])) / (1 + 2 * side)


def noisy(x: Tensor, generator: torch.Generator, std: float) -> Tensor:
    """Images plus N(0, std^2) for each value."""
    return x + std * torch.randn(x.shape, generator=generator).to(x) if std else x


def homography(corners: Tensor) -> Tensor:
    """The projective maps [N, 3, 3] that take the corners of the square -1..1 to four points.

    Args:
        corners: [N, 4, 2], where (-1, -1), (1, -1), (1, 1) and (-1, 1) go, each as (x, y).

    Example:
        >>> square = torch.tensor([[[-1.0, -1], [1, -1], [1, 1], [-1, 1]]])
        >>> torch.allclose(homography(square), torch.eye(3), atol=1e-6)
        True
    """
    x, y = torch.tensor([[-1.0, 1, 1, -1], [-1.0, -1, 1, 1]], dtype=corners.dtype, device=corners.device)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    u, v = corners.unbind(-1)
    n = len(corners)
    top = torch.stack([part.expand(n, 4) for part in (x, y, one, zero, zero, zero)] + [-u * x, -u * y], -1)
    bottom = torch.stack([part.expand(n, 4) for part in (zero, zero, zero, x, y, one)] + [-v * x, -v * y], -1)
    solved = torch.linalg.solve(torch.cat((top, bottom), 1), torch.cat((u, v), 1))
    return torch.cat((solved, torch.ones_like(solved[:, :1])), 1).view(n, 3, 3)


def random_perspective(generator: torch.Generator, count: int, amount: float, share: float, like: Tensor) -> Tensor:
    """[N, 3, 3]: with probability `share` each corner of the square moves inwards by up to `amount` of half a side."""
    square = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    moved = square * (1 - amount * torch.rand(count, 4, 2, generator=generator))
    chosen = torch.rand(count, 1, 1, generator=generator) < share
    return homography(torch.where(chosen, moved, square)).to(like)


def placement(x: Tensor, y: Tensor, half: Tensor, degrees: Tensor) -> Tensor:
    """[N, 3, 3] maps of the square -1..1 to a square of another size at a place, turned.

    Args:
        x, y: the centre, [N].
        half: half of its side, [N].
        degrees: by which it is turned, [N].
    """
    angle = torch.deg2rad(degrees)
    cos, sin, zero = half * angle.cos(), half * angle.sin(), torch.zeros_like(half)
    rows = [torch.stack(row, -1) for row in ((cos, -sin, x), (sin, cos, y), (zero, zero, zero + 1))]
    return torch.stack(rows, 1)


def sampled(x: Tensor, to_canvas: Tensor, height: int, width: int, padding: str = "zeros") -> Tensor:
    """Images under projective maps onto a canvas.

    Args:
        x: [N, C, h, w]; an alpha is one more channel, which is 0 outside of the image with `padding="zeros"`.
        to_canvas: [N, 3, 3], coordinates -1..1 of the image -> pixels of the canvas (0 is its left or upper border).
        height, width: of the canvas.
        padding: what lies outside of the image, as for torch's `grid_sample`.

    Returns:
        [N, C, height, width], bilinear.

    Example:
        >>> x = torch.rand(1, 1, 2, 2)
        >>> one = torch.ones(1)
        >>> torch.allclose(sampled(x, placement(one, one, one, 0 * one), 2, 2), x, atol=1e-6)
        True
    """
    back = torch.linalg.inv(to_canvas)
    down, right = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack((right, down, torch.ones_like(right)), -1).view(1, -1, 3).to(x)
    places = pixels @ back.transpose(1, 2)
    depth = places[..., 2:].clamp(min=1e-3)  # points behind the horizon would come back mirrored
    grid = (places[..., :2] / depth).view(len(x), height, width, 2)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)


@dataclass(frozen=True, kw_only=True)
class Jostle:
    """Whole images moved, scaled and turned a little, so that no pixel has a place of its own.

    Args:
        shift: largest shift as a share of the side.
        scale: largest change of the size, as a share.
        degrees: largest turn; no turn is six times as likely as any other whole number of degrees.
        grey: what comes in from outside: a grey of 0.5; False for the image's reflection.

    Source: Olah et al. 2017 (see `fourier_picture`), whose code pads by 12 pixels of grey, jitters by 8 and by 4 pixels
        of 128, scales by 0.90 to 1.10 in steps of 0.02, and turns by up to 10 degrees.
        Differs: one warp does all of it, so that the image is interpolated once; the shift is uniform.
    """

    shift: float = 12 / 128
    scale: float = 0.10
    degrees: int = 10
    grey: bool = True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Images [N, C, h, w] -> as many of the same shape."""
        n, _, height, width = x.shape
        side = max(height, width)
        right, down = (uniform(generator, n, -self.shift, self.shift, x) * side for _ in range(2))
        size = 1 + torch.randint(-5, 6, (n,), generator=generator).to(x) / 5 * self.scale
        choice = torch.randint(-self.degrees, self.degrees + 6, (n,), generator=generator)
        turn = torch.where(choice > self.degrees, 0, choice).to(x)
        one = torch.ones_like(size)
        shape = torch.diag_embed(torch.stack((one * width / side, one * height / side, one), -1))
        moved = placement(width / 2 + right, height / 2 + down, size * side / 2, turn) @ shape
        if not self.grey:
            return sampled(x, moved, height, width, "reflection")
        return sampled(x - 0.5, moved, height, width) + 0.5

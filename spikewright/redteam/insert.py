"""insert(): paste a patch into pictures at given places, differentiably, and say which pixels it may have changed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import ShapeError, sentence

KERNEL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def edge_mask(side: int, *, reach: float = 1.15, width: float = 0.35) -> Tensor:
    """How opaque a square patch is, [1, side, side]: 1 inside, fading towards its edges, so no sharp line is a cue.

    Args:
        side: of the patch, in pixels.
        reach: distance from the centre at which nothing is left, in half sides.
        width: of the fading rim, in half sides.

    Example:
        >>> [round(opaque, 2) for opaque in edge_mask(5)[0, 2].tolist()]
        [0.43, 1.0, 1.0, 1.0, 0.43]
    """
    at = torch.linspace(-1, 1, side) if side > 1 else torch.zeros(1)
    radius = torch.maximum(at.abs()[:, None], at.abs()[None])
    return ((reach - radius) / width).clamp(0, 1)[None]


def draw_places(count: int, size: tuple[int, int], side: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Upper left corners of patches that lie wholly inside pictures, [count, 2]: rows and columns, evenly drawn."""
    check_fits("draw_places", size, side)
    rows, columns = (
        torch.randint(0, whole - part + 1, (count,), generator=generator) for whole, part in zip(size, side)
    )
    return torch.stack((rows, columns), 1)


def insert(images: Tensor, patch: Tensor, places: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pictures with a patch in each, (1 - m) x + m p, and the pixels that it covers.

    Args:
        images: [N, 3, H, W].
        patch: [3, h, w], or one for each picture, [N, 3, h, w]; gradients flow to it.
        places: upper left corners, [N, 2]: row and column.
        mask: opacity in 0..1, [1, h, w] or [N, 1, h, w]; opaque if not given.

    Returns:
        The pictures, and their footprints, [N, 1, H, W], 1 wherever the patch lies. Nothing else is changed.

    Raises:
        ShapeError: for shapes that do not fit, or a patch that is not wholly inside.
    """
    if images.dim() != 4 or patch.dim() not in (3, 4) or patch.shape[-3] != images.shape[1]:
        met = f"images {list(images.shape)} and a patch {list(patch.shape)}"
        raise ShapeError(sentence("insert", met, "[N, C, H, W] and [C, h, w] or [N, C, h, w]"))
    n, channels, height, width = images.shape
    h, w = patch.shape[-2:]
    check_fits("insert", (height, width), (h, w))
    inside = places.shape == (n, 2) and bool(
        ((places >= 0) & (places <= places.new_tensor([height - h, width - w]))).all()
    )
    if not inside:
        met, allowed = f"places {places.tolist()[:3]}", f"[{n}, 2], so that {h} x {w} lies within {height} x {width}"
        raise ShapeError(sentence("insert.places", met, allowed))
    places = places.to(images.device)
    rows = places[:, 0, None, None] + torch.arange(h, device=images.device)[None, :, None]
    columns = places[:, 1, None, None] + torch.arange(w, device=images.device)[None, None]
    at = (rows.expand(n, h, w) * width + columns.expand(n, h, w)).flatten(1)[:, None]  # [N, 1, h*w]
    whole = torch.ones(n, 1, h, w) if mask is None else mask.expand(n, 1, h, w)
    whole, colours = whole.to(images), patch.expand(n, channels, h, w).to(images)
    opaque = images.new_zeros(n, 1, height * width).scatter(2, at, whole.flatten(2))
    paint = images.new_zeros(n, channels, height * width).scatter(2, at.expand(n, channels, h * w), colours.flatten(2))
    covered = images.new_zeros(n, 1, height * width).scatter(2, at, 1.0)
    shape = (height, width)
    opaque, paint, covered = (each.unflatten(2, shape) for each in (opaque, paint, covered))
    return (1 - opaque) * images + opaque * paint, covered


def vary(
    patches: Tensor,
    generator: torch.Generator,
    *,
    contrast: float = 0.25,
    brightness: float = 0.1,
    noise: float = 0.05,
    softness: float = 0.0,
) -> Tensor:
    """Patches that are never twice the same: contrast times U(1 -+ contrast), brightness + U(-+ brightness), noise.

    Gradients flow through it where nothing is cut off at 0 or 1.

    Args:
        patches: [N, 3, h, w] in 0..1.
        generator: of the draws.
        contrast, brightness, noise: how far; noise is the standard deviation of each pixel.
        softness: largest share, 0..1, of the blurred patch in it; each draws its own.
    """
    n = len(patches)
    if softness:
        share = softness * torch.rand(n, 1, 1, 1, generator=generator)
        patches = (1 - share) * patches + share * blur(patches)
    factor = 1 + contrast * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1)
    shift = brightness * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1)
    middle = patches.mean((1, 2, 3), keepdim=True)
    grain = noise * torch.randn(patches.shape, generator=generator)
    return (middle + factor * (patches - middle) + shift + grain).clamp(0, 1)


def blur(x: Tensor) -> Tensor:
    """Binomial blur of five pixels, edges repeated, [N, C, H, W] -> the same shape."""
    channels = x.shape[1]
    kernel = KERNEL.to(x)
    padded = functional.pad(x, (2, 2, 2, 2), mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)
    return functional.conv2d(across, kernel.view(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)


def resized(pictures: Tensor, side: int | tuple[int, int]) -> Tensor:
    """Pictures [..., h, w] at another size, smoothly and without aliasing."""
    size = (side, side) if isinstance(side, int) else side
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    if flat.shape[-2:] == size:
        return pictures
    made = functional.interpolate(flat, size, mode="bilinear", antialias=True, align_corners=False)
    return made.reshape(*pictures.shape[:-2], *size)


def check_fits(who: str, size: tuple[int, int], side: tuple[int, int]) -> None:
    """Raise ShapeError if a patch is larger than the pictures."""
    if side[0] > size[0] or side[1] > size[1]:
        met = f"a patch of {side[0]} x {side[1]} in pictures of {size[0]} x {size[1]}"
        raise ShapeError(sentence(who, met, "a patch that is not larger", "Take a smaller side"))

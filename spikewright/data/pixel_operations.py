"""The operations of AutoAugment on a whole batch of bytes, each as Pillow computes it on one image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Operation = Callable[[Tensor, Tensor, Tensor], Tensor]

GREY = 128  # colour of the pixels that an image has been moved away from


def invert(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """255 - x."""
    return 255 - images


def posterize(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Keep the upper 8..4 bits of each byte."""
    dropped = (strength * 4 / 9).round().to(torch.int64)
    mask = (256 - 2**dropped).to(torch.uint8)
    return images & mask.view(-1, 1, 1, 1)


def solarize(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Invert the bytes from a threshold of 256..0 on."""
    threshold = 256 - 256 * strength.to(torch.float64) / 9
    return torch.where(images < threshold.view(-1, 1, 1, 1), images, 255 - images)


def brightness(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Away from black, or towards it."""
    return _blend(torch.zeros_like(images), images, strength, sign)


def color(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Away from the grey of each pixel, or towards it."""
    return _blend(_luma(images).expand_as(images), images, strength, sign)


def contrast(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Away from the mean grey of the image, or towards it."""
    mean = (_luma(images).double().mean((1, 2, 3), keepdim=True) + 0.5).floor().to(torch.uint8)
    return _blend(mean.expand_as(images), images, strength, sign)


def sharpness(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Away from the smoothed image, or towards it; the border stays."""
    x = images.to(torch.int32)
    rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    window = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * x[:, :, 1:-1, 1:-1]  # centre counts 5 of 13
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = ((2 * window + 13) // 26).to(torch.uint8)
    return _blend(smooth, images, strength, sign)


def autocontrast(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Stretch each channel to 0..255; a channel of one value stays."""
    low, high = images.amin((2, 3), keepdim=True).double(), images.amax((2, 3), keepdim=True).double()
    scale = torch.full_like(low, 255) / (high - low)  # 255 / tensor would round twice
    stretched = (images.double() * scale - low * scale).clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Give each channel an even histogram; a channel of too few values stays."""
    n, c, h, w = images.shape
    flat = images.reshape(n * c, h * w).long()
    histogram = torch.zeros(n * c, 256, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(1, flat, torch.ones_like(flat))
    last = histogram.gather(1, flat.amax(1, keepdim=True))
    step = (h * w - last) // 255
    before = histogram.cumsum(1) - histogram
    table = (step // 2 + before) // step.clamp(min=1)
    table = torch.where(step > 0, table.clamp(max=255), torch.arange(256, device=images.device))
    return table.gather(1, flat).to(torch.uint8).view(n, c, h, w)


def translate_x(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Move sideways by up to 0.45 of the width."""
    return _move(images, strength, sign)


def translate_y(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Move up or down by up to 0.45 of the height."""
    return _move(images.transpose(2, 3), strength, sign).transpose(2, 3)


def shear_y(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Shear vertically by up to 0.3 (17 degrees), with cubic interpolation."""
    matrices = [(1.0, 0.0, 0.0, slope, 1.0, 0.0) for slope in (sign * (strength.double() * (0.3 / 9))).tolist()]
    return _one_by_one(
        images,
        lambda image, place: image.transform(
            image.size,
            Image.Transform.AFFINE,
            matrices[place],
            Image.Resampling.BICUBIC,
            fillcolor=(GREY,) * 3,
        ),
    )


def rotate(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Turn by up to 30 degrees, in one direction only."""
    degrees = (strength.double() * (30 / 9)).tolist()
    return _one_by_one(images, lambda image, place: image.rotate(degrees[place], fillcolor=(GREY,) * 3))


def _blend(start: Tensor, end: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """start + factor * (end - start), cut to bytes; factor = 1 +- strength / 10."""
    factor = (1 + sign * strength.double() / 10).float().view(-1, 1, 1, 1)
    a = start.float()
    return (a + factor * (end.float() - a)).clamp(0, 255).to(torch.uint8)


def _luma(images: Tensor) -> Tensor:
    """Grey of each pixel, uint8 [N, 1, H, W]: ITU-R 601-2 in 16-bit fixed point."""
    r, g, b = images.to(torch.int32).split(1, dim=1)
    return ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16).to(torch.uint8)


def _move(images: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    n, c, h, w = images.shape
    shift = (sign * (strength.double() * (150 / 331 / 9)) * w + 0.5).floor().long()
    source = torch.arange(w, device=images.device) + shift.view(n, 1)
    inside = ((source >= 0) & (source < w)).view(n, 1, 1, w)
    moved = images.gather(3, source.clamp(0, w - 1).view(n, 1, 1, w).expand(n, c, h, w))
    return torch.where(inside, moved, GREY)


def _one_by_one(images: Tensor, change: Callable[[Image.Image, int], Image.Image]) -> Tensor:
    """For the two rare operations that resample: let Pillow do it, image by image."""
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    changed = [np.asarray(change(Image.fromarray(pixel), place)) for place, pixel in enumerate(pixels)]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).to(images.device)


OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        *(invert, posterize, solarize, autocontrast, equalize),
        *(brightness, color, contrast, sharpness),
        *(translate_x, translate_y, shear_y, rotate),
    )
}

"""AutoAugment: one learnt sub-policy of two operations, drawn for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from .images import image_shape, to_float
from .pixel_operations import OPERATIONS

Part = tuple[float, str, int]  # probability, operation, strength 0..9

CIFAR10_POLICY: tuple[tuple[Part, Part], ...] = (
    ((0.1, "invert", 7), (0.2, "contrast", 6)),
    ((0.7, "rotate", 2), (0.3, "translate_x", 9)),
    ((0.8, "sharpness", 1), (0.9, "sharpness", 3)),
    ((0.5, "shear_y", 8), (0.7, "translate_y", 9)),
    ((0.5, "autocontrast", 8), (0.9, "equalize", 2)),
    ((0.2, "shear_y", 7), (0.3, "posterize", 7)),
    ((0.4, "color", 3), (0.6, "brightness", 7)),
    ((0.3, "sharpness", 9), (0.7, "brightness", 9)),
    ((0.6, "equalize", 5), (0.5, "equalize", 1)),
    ((0.6, "contrast", 7), (0.6, "sharpness", 5)),
    ((0.7, "color", 7), (0.5, "translate_x", 8)),
    ((0.3, "equalize", 7), (0.4, "autocontrast", 8)),
    ((0.4, "translate_y", 3), (0.2, "sharpness", 6)),
    ((0.9, "brightness", 6), (0.2, "color", 8)),
    ((0.5, "solarize", 2), (0.0, "invert", 3)),
    ((0.2, "equalize", 0), (0.6, "autocontrast", 0)),
    ((0.2, "equalize", 8), (0.8, "equalize", 4)),
    ((0.9, "color", 9), (0.6, "equalize", 6)),
    ((0.8, "autocontrast", 4), (0.2, "solarize", 8)),
    ((0.1, "brightness", 3), (0.7, "color", 0)),
    ((0.4, "solarize", 5), (0.9, "autocontrast", 3)),
    ((0.9, "translate_y", 9), (0.7, "translate_y", 9)),
    ((0.9, "autocontrast", 2), (0.8, "solarize", 3)),
    ((0.8, "equalize", 8), (0.1, "invert", 3)),
    ((0.7, "translate_y", 9), (0.9, "autocontrast", 1)),
)

POLICIES = {"cifar10": CIFAR10_POLICY}


@dataclass(frozen=True)
class AutoAugment:
    """Apply to each image one sub-policy, drawn at random: two operations, each with its own probability.

    The operations work on bytes, so pixels are rounded to 256 levels.

    Args:
        policy: "cifar10", the policy learnt on a part of CIFAR-10.

    Raises:
        ArgumentError: the policy is unknown.
        ShapeError: the images are not RGB.
        DataError: a pixel is outside [0, 1].

    Source: Cubuk et al. 2019, AutoAugment, CVPR, table 7; strengths, signs and fill colour as in the code of
        Bu et al. 2022, putshua/SNN_conversion_QCFS, Preprocess/augment.py.
        Differs: the table has 0.6, that code 0.8, as second probability of sub-policy 16 (two equalize);
        0.8 here.
        Differs: kornia 0.9 draws one sub-policy for a whole batch, shears by up to 54 degrees instead of 17,
        and moves to one side only.
    Example:
        >>> x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> AutoAugment("cifar10")(x, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 32, 32])
    """

    policy: Literal["cifar10"] = "cifar10"

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ArgumentError(sentence("AutoAugment.policy", repr(self.policy), " or ".join(POLICIES)))

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change images [N, 3, H, W] in [0, 1]; the shape stays."""
        return self.part(x, generator, slice(None), len(x))

    def part(self, x: Tensor, generator: torch.Generator, shard: slice, whole: int) -> Tensor:
        """Change the images of one process as they would be in the whole batch, see `PartAugmentation`."""
        n, c, _, _ = image_shape("AutoAugment", x)
        if c != 3:
            raise ShapeError(sentence("AutoAugment", f"images of {c} channels", "RGB images, 3 channels"))
        if n and (float(x.min()) < 0 or float(x.max()) > 1):
            met = f"pixels in {float(x.min()):.3g}..{float(x.max()):.3g}"
            raise DataError(sentence("AutoAugment", met, "pixels in [0, 1]", "Scale the pixels in the model"))
        table = POLICIES[self.policy]
        which = torch.randint(0, len(table), (whole,), generator=generator)[shard]
        gates = torch.rand(whole, 2, generator=generator)[shard]
        signs = torch.randint(0, 2, (whole, 2), generator=generator)[shard] * 2 - 1
        images = (x * 255).round().to(torch.uint8)
        for part in range(2):
            chosen = [table[place][part] for place in which.tolist()]
            images = apply_part(images, chosen, gates[:, part].tolist(), signs[:, part])
        return to_float(images).to(x.dtype)


def apply_part(images: Tensor, chosen: Sequence[Part], gate: Sequence[float], sign: Tensor) -> Tensor:
    """Apply to each image its own operation; images of one operation are computed together.

    Args:
        images: uint8, [N, 3, H, W].
        chosen: for each image the operation with its probability and strength.
        gate: for each image a number in [0, 1); the operation is applied if it is below the probability.
        sign: for each image -1 or 1, the direction of the operation, if it has one; int64, [N].

    Returns:
        The changed images, uint8, [N, 3, H, W].
    """
    places: dict[str, list[int]] = {}
    for place, ((probability, name, _), drawn) in enumerate(zip(chosen, gate, strict=True)):
        if drawn < probability:
            places.setdefault(name, []).append(place)
    changed = images.clone()
    for name, group in places.items():
        at = torch.tensor(group, device=images.device)
        strength = torch.tensor([chosen[place][2] for place in group], device=images.device)
        changed[at] = OPERATIONS[name](images[at], strength, sign.to(images.device)[at])
    return changed

"""Synthetic images: coloured stripes whose direction is the class, learnt by a small network in seconds."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from .images import ImageDataset
from .root import check_split
from .spec import DatasetSpec

SPEC = DatasetSpec(
    name="synthetic",
    kind="images",
    shape=(3, 16, 16),
    classes=("0 degrees", "45 degrees", "90 degrees", "135 degrees"),
    splits={"train": 800, "test": 200},
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    licence="Apache-2.0",
    citation="made by this package",
)

SEEDS = {"train": 1, "test": 2}
WAVELENGTH = 5.0  # pixels; short enough that any 8x8 window shows the direction


def load(root: Path | None = None, split: str = "train") -> ImageDataset:
    """Make one split; the same images on every call, and none of the test images in the training split.

    Args:
        root: not used, as nothing is read; there because every dataset has it.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown.

    Example:
        >>> load(split="test").images.shape
        torch.Size([200, 3, 16, 16])
    """
    check_split(SPEC, split)
    made = stripes(SPEC.splits[split], SPEC.shape, len(SPEC.classes), torch.Generator().manual_seed(SEEDS[split]))
    return ImageDataset(made.images, made.labels, SPEC.classes)


def stripes(n: int, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> ImageDataset:
    """Stripes at `classes` angles, with random phase, colours and noise; classes are equally frequent.

    Args:
        n: how many images, >= 1.
        shape: [C, H, W].
        classes: how many angles between 0 and 180 degrees, >= 2.
        generator: random source.

    Raises:
        ArgumentError: n or classes is too small.

    Example:
        >>> stripes(4, (1, 8, 8), 2, torch.Generator().manual_seed(0)).labels.sort().values.tolist()
        [0, 0, 1, 1]
    """
    if n < 1 or classes < 2:
        raise ArgumentError(sentence("stripes", f"n={n}, classes={classes}", "n >= 1 and classes >= 2"))
    c, h, w = shape

    def rand(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator)

    labels = (torch.arange(n) % classes)[torch.randperm(n, generator=generator)]
    angle = (labels * math.pi / classes).view(n, 1, 1, 1)
    rows, columns = torch.arange(h).view(1, 1, h, 1), torch.arange(w).view(1, 1, 1, w)
    along = rows * torch.cos(angle) + columns * torch.sin(angle)
    wave = torch.sin(2 * math.pi * (along / WAVELENGTH + rand(n, 1, 1, 1)))
    x = 0.5 + 0.4 * wave * (0.3 + 0.7 * rand(n, c, 1, 1)) + 0.1 * (2 * rand(n, c, h, w) - 1)
    images = (x * 255).round().clamp(0, 255).to(torch.uint8)
    return ImageDataset(images, labels, tuple(str(k) for k in range(classes)))

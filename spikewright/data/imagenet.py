"""ImageNet (ILSVRC2012): a thousand classes, from class folders or from packed JPEG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .embedded import ASSETS
from .folder import FolderImages, list_folder
from .images import ImageDataset
from .packed import channels_first, decode_image, read_jpegs
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec

_LINES = [line.split(" ", 1) for line in (ASSETS / "imagenet_classes.txt").read_text("utf-8").splitlines()]
WNIDS = tuple(wnid for wnid, _ in _LINES)

SPEC = DatasetSpec(
    name="imagenet",
    kind="images",
    shape=(3, 224, 224),
    classes=tuple(name for _, name in _LINES),
    splits={"train": 1_281_167, "val": 50_000},
    evaluation_split="val",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    licence="none stated; the terms of image-net.org allow non-commercial research",
    citation="O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, "
    "International Journal of Computer Vision 115, 2015",
    source="https://image-net.org",
)

PACKED = {"train": "train100_224.npz", "val": "val500_224.npz"}


def load(root: Path | None = None, split: str = "val") -> ImageDataset | FolderImages:
    """Load one split of ImageNet.

    Class folders are read lazily, short side to 256 pixels, centre of 224. The packed files hold a few
    hundred images already cut to 224; `note` says so, and accuracy on them is no accuracy on ImageNet.

    Args:
        root: folder that holds `imagenet/<split>/<wnid>/*.JPEG` or the packed `imagenet/*.npz`; None: see
            `data_root`.
        split: "train" or "val".

    Raises:
        DataError: the split is unknown, files are missing or broken, or a class folder or label is unknown.
    """
    check_split(SPEC, split)
    root = data_root(root)
    folder, packed = root / SPEC.name / split, root / SPEC.name / PACKED[split]
    if folder.is_dir():
        paths, labels, _ = list_folder(folder, WNIDS)
        return FolderImages(paths, labels, SPEC.classes, note=size_note(SPEC, split, len(paths)))
    if packed.is_file():
        blobs, labels, _ = read_jpegs(packed, str(packed))
        pixels = np.stack([decode_image(str(packed), blob) for blob in blobs])
        return ImageDataset(channels_first(pixels), labels, SPEC.classes, size_note(SPEC, split, len(blobs)))
    raise missing(SPEC, split, root, [f"{SPEC.name}/{split}/<wnid>/*.JPEG", f"{SPEC.name}/{PACKED[split]}"])

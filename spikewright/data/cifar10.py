"""CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes."""

from __future__ import annotations

from pathlib import Path

import torch

from .cifar_binary import read_binary
from .embedded import read_asset
from .images import ImageDataset
from .packed import read_mosaics
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec, RemoteFile

SPEC = DatasetSpec(
    name="cifar10",
    kind="images",
    shape=(3, 32, 32),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    splits={"train": 50_000, "test": 10_000, "sample": 1_000, "calibration": 500},
    mean=(0.49139968, 0.48215841, 0.44653091),
    std=(0.24703223, 0.24348513, 0.26158784),
    files=(
        RemoteFile(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            size=170_052_171,
            md5="c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
    licence="none stated by the authors",
    citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
)

FOLDER = "cifar-10-batches-bin"
BINARY = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
PACKED = {"train": ("train_part1.npz", "train_part2.npz"), "test": ("test8000.npz",)}
EMBEDDED = {
    "sample": ("cifar10_sample.npz", "d4bb1cb177e5cf0158a78799849eb91e5054417dd3b89297c97e586e20b2d37b"),
    "calibration": (
        "cifar10_calibration.npz",
        "0938402ea183d4c0a76f9e841431eb06e259c9ff06bff71364b67e198a2bb7c6",
    ),
}


def load(root: Path | None = None, split: str = "train") -> ImageDataset:
    """Load one split of CIFAR-10.

    Args:
        root: folder that holds `cifar-10-batches-bin/` or the packed `cifar10/*.npz`; None: see `data_root`.
        split: "train", "test", or, from the package itself: "sample" (1,000 test images) and
            "calibration" (500 training images).

    Returns:
        The images; `note` says so when the copy holds another number than the official split.

    Raises:
        DataError: the split is unknown, a file is missing or broken, or a label is out of range.

    Example:
        >>> load(split="sample").images.shape
        torch.Size([1000, 3, 32, 32])
    """
    check_split(SPEC, split)
    if split in EMBEDDED:
        name, sha256 = EMBEDDED[split]
        images, labels, index = read_mosaics(read_asset(name, sha256), name, 32, 32)
        return ImageDataset(images, labels, SPEC.classes, size_note(SPEC, split, len(images)), index)
    root = data_root(root)
    for folder in (root / FOLDER, root / SPEC.name / FOLDER):
        paths = [folder / name for name in BINARY[split]]
        if all(path.is_file() for path in paths):
            images, labels = read_binary(paths, label_bytes=1, label_place=0)
            return ImageDataset(images, labels, SPEC.classes, size_note(SPEC, split, len(images)))
    paths = [root / SPEC.name / name for name in PACKED[split]]
    if all(path.is_file() for path in paths):
        parts = [read_mosaics(path, str(path), 32, 32) for path in paths]
        images, labels, index = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return ImageDataset(images, labels, SPEC.classes, size_note(SPEC, split, len(images)), index)
    wanted = (f"{FOLDER}/{{{','.join(BINARY[split])}}}", f"{SPEC.name}/{{{','.join(PACKED[split])}}}")
    raise missing(SPEC, split, root, wanted)

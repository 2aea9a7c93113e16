"""Cut the images inside the package from the packed CIFAR-10 files; reads SPIKEWRIGHT_DATA."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from spikewright.data import cifar10
from spikewright.data.embedded import ASSETS
from spikewright.data.images import ImageDataset
from spikewright.data.packed import read_mosaics
from spikewright.data.root import data_root

COLUMNS = 50


def first_of_each_class(data: ImageDataset, count: int) -> ImageDataset:
    """The first `count` images of each class in official order, all together in official order."""
    places = [(data.labels == k).nonzero().flatten()[:count] for k in range(len(data.classes))]
    return data.subset(torch.cat(places).sort().values)


def packed(name: str) -> ImageDataset:
    """The images of one packed file in official order, whatever other copy lies beside it."""
    images, labels, index = read_mosaics(data_root() / "cifar10" / name, name, 32, 32)
    order = index.argsort()
    return ImageDataset(images[order], labels[order], cifar10.SPEC.classes, index=index[order])


def mosaic(data: ImageDataset) -> bytes:
    """All images as one lossless WebP, 50 to a row."""
    n, c, h, w = data.images.shape
    grid = data.images.view(n // COLUMNS, COLUMNS, c, h, w).permute(0, 3, 1, 4, 2)
    out = io.BytesIO()
    pixels = grid.reshape(n // COLUMNS * h, COLUMNS * w, c).contiguous().numpy()
    Image.fromarray(pixels).save(out, format="WEBP", lossless=True, quality=100, method=6)
    return out.getvalue()


def write(path: Path, data: ImageDataset) -> None:
    """Write a packed file that `read_mosaics` reads, and print its size and sha256."""
    blob = np.frombuffer(mosaic(data), np.uint8)
    index = torch.arange(len(data)) if data.index is None else data.index
    np.savez(
        path,
        webp=blob,
        offset=np.array([0, len(blob)], np.int64),
        label=data.labels.numpy().astype(np.uint8),
        index=index.numpy().astype(np.int32),
    )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"{path.name}: {len(data)} images, {len(content):,} bytes, sha256 {digest}")


def main() -> None:
    """Write both files; the checksums belong into spikewright/data/cifar10.py."""
    write(ASSETS / "cifar10_sample.npz", first_of_each_class(packed("test8000.npz"), 100))
    write(ASSETS / "cifar10_calibration.npz", first_of_each_class(packed("train_part1.npz"), 50))


if __name__ == "__main__":
    main()

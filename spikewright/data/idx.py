"""The idx format of MNIST and its kin, plain or packed with gzip or xz."""

from __future__ import annotations

import gzip
import lzma
import math
import zlib
from pathlib import Path

import numpy as np
import torch

from ..core.errors import DataError, sentence
from .images import ImageDataset
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec

OPEN = {".gz": gzip.open, ".xz": lzma.open}
UNSIGNED_BYTE = 0x08
STEMS = {"train": "train", "test": "t10k"}


def parse_idx(who: str, content: bytes, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes: magic number, lengths of the axes, then the data.

    Args:
        who: what to call the file in an error.
        content: the unpacked file.
        ndim: how many axes it must have: 3 for images, 1 for labels.

    Returns:
        uint8, of the shape that the file states.

    Raises:
        DataError: the magic number is another, or the length does not fit the axes.

    Source: Y. LeCun, The MNIST database, "File formats".
    Example:
        >>> parse_idx("x", bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1).tolist()
        [7, 9]
    """
    magic = bytes((0, 0, UNSIGNED_BYTE, ndim))
    if content[:4] != magic:
        met = f"the first bytes {content[:4].hex(' ') or 'of an empty file'}"
        raise DataError(sentence(who, met, f"{magic.hex(' ')}, an idx file of bytes with {ndim} axes"))
    start = 4 + 4 * ndim
    shape = np.frombuffer(content[4:start], ">u4").astype(int).tolist()
    if len(shape) != ndim or len(content) - start != math.prod(shape):
        met = f"{len(content):,} bytes for the axes {shape}"
        raise DataError(sentence(who, met, "axes and bytes that fit", "The file is truncated: get it again"))
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file from disk, unpacking .gz and .xz.

    Raises:
        DataError: the packing or the idx file is broken.
    """
    try:
        with OPEN.get(path.suffix, open)(path, "rb") as stream:
            content = stream.read()
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        met, todo = f"a file that cannot be unpacked ({error})", "It may be truncated: get it again"
        raise DataError(sentence(str(path), met, f"a whole {path.suffix or 'idx'} file", todo)) from error
    return parse_idx(str(path), content, ndim)


def load_idx(spec: DatasetSpec, folders: tuple[str, ...], root: Path | None, split: str) -> ImageDataset:
    """Load one split of a dataset that has the file names of MNIST.

    Args:
        spec: the dataset.
        folders: where its files may lie below the root.
        root: folder that holds datasets; None: see `data_root`.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown, a file is missing or broken, or a label is out of range.
    """
    check_split(spec, split)
    root = data_root(root)
    names = [f"{STEMS[split]}-images-idx3-ubyte", f"{STEMS[split]}-labels-idx1-ubyte"]
    for folder in folders:
        paths = [_existing(root / folder / name) for name in names]
        if all(path is not None for path in paths):
            images, labels = (read_idx(path, ndim) for path, ndim in zip(paths, (3, 1), strict=True) if path)
            pixels = torch.from_numpy(images.copy()).unsqueeze(1)
            note = size_note(spec, split, len(images))
            return ImageDataset(pixels, torch.from_numpy(labels.astype(np.int64)), spec.classes, note)
    wanted = [f"{folder}/{{{','.join(names)}}}[.gz|.xz]" for folder in folders]
    raise missing(spec, split, root, wanted)


def _existing(path: Path) -> Path | None:
    candidates = (path, path.with_name(path.name + ".gz"), path.with_name(path.name + ".xz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)

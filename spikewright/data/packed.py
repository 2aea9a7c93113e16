"""Packed image files: an npz of lossless WebP mosaics, or of JPEG images one after another."""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..core.errors import DataError, sentence

BROKEN = "Delete the file and get it again"


def read_arrays(file: Path | io.BytesIO, who: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read named arrays from an npz without ever unpickling.

    Args:
        file: the npz, as a path or in memory.
        who: what to call it in an error.
        names: the arrays that must be there.

    Raises:
        DataError: the file is no npz, is truncated, holds a pickle, or lacks an array.
    """
    try:
        with nullcontext(file) if isinstance(file, io.BytesIO) else file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            missing = [name for name in names if name not in archive]
            if missing:
                met = f"an npz without {', '.join(missing)}"
                raise DataError(sentence(who, met, f"the arrays {', '.join(names)}"))
            return {name: archive[name] for name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
        raise DataError(sentence(who, f"an unreadable file ({error})", "a whole npz", BROKEN)) from error


def split_blobs(who: str, data: np.ndarray, offset: np.ndarray) -> list[bytes]:
    """Cut concatenated files apart at their offsets.

    Args:
        who: what to call the file in an error.
        data: uint8, all files one after another.
        offset: where each begins, and the end of the last; one more than there are files.

    Raises:
        DataError: the offsets are not rising or do not end with the data.

    Example:
        >>> split_blobs("x", np.frombuffer(b"abcde", np.uint8), np.array([0, 2, 5]))
        [b'ab', b'cde']
    """
    whole = len(offset) >= 2 and offset[0] == 0 and offset[-1] == len(data) and bool(np.all(np.diff(offset) > 0))
    if not whole:
        met = f"{len(offset)} offsets that do not cut {len(data)} bytes into whole files"
        raise DataError(sentence(who, met, f"rising offsets from 0 to {len(data)}", BROKEN))
    return [data[start:end].tobytes() for start, end in pairwise(offset)]


def decode_image(who: str, blob: bytes) -> np.ndarray:
    """Decode one compressed image to uint8 [H, W, 3].

    Raises:
        DataError: the bytes are no whole image.
    """
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(sentence(who, f"an image that cannot be decoded ({error})", "a whole image", BROKEN)) from error


def cut_mosaic(who: str, mosaic: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut a mosaic [rows*H, columns*W, 3] into its images [rows*columns, H, W, 3], row by row.

    Raises:
        DataError: the mosaic is not a whole number of images.

    Example:
        >>> mosaic = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
        >>> cut_mosaic("x", mosaic, 1, 1).ravel().tolist()
        [0, 1, 2, 3]
    """
    h, w, channels = mosaic.shape
    if h % height or w % width:
        met = f"a mosaic of {h}x{w} pixels"
        raise DataError(sentence(who, met, f"a whole number of {height}x{width} images"))
    tiles = mosaic.reshape(h // height, height, w // width, width, channels).swapaxes(1, 2)
    return tiles.reshape(-1, height, width, channels)


def read_mosaics(file: Path | io.BytesIO, who: str, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Read a mosaic npz: arrays `webp` (or any lossless image bytes), `offset`, `label`, `index`.

    Args:
        file: the npz, as a path or in memory.
        who: what to call it in an error.
        height: height of one image in pixels.
        width: width of one image in pixels.

    Returns:
        Images, uint8 [N, 3, H, W]; labels, int64 [N]; places in the official split, int64 [N].

    Raises:
        DataError: the file is broken, or the numbers of images, labels and places differ.
    """
    arrays = read_arrays(file, who, ("webp", "offset", "label", "index"))
    blobs = split_blobs(who, arrays["webp"], arrays["offset"])
    images = np.concatenate([cut_mosaic(who, decode_image(who, blob), height, width) for blob in blobs])
    label, index = arrays["label"].astype(np.int64), arrays["index"].astype(np.int64)
    if not len(images) == len(label) == len(index):
        met = f"{len(images)} images, {len(label)} labels, {len(index)} places"
        raise DataError(sentence(who, met, "the same number of each", BROKEN))
    return channels_first(images), torch.from_numpy(label), torch.from_numpy(index)


def read_jpegs(file: Path | io.BytesIO, who: str) -> tuple[list[bytes], Tensor, list[str]]:
    """Read a JPEG npz without decoding: arrays `jpeg`, `offset`, `label`, `filename`.

    Returns:
        The JPEG files, their labels (int64 [N]) and their names.

    Raises:
        DataError: the file is broken, or the numbers of images, labels and names differ.
    """
    arrays = read_arrays(file, who, ("jpeg", "offset", "label", "filename"))
    blobs = split_blobs(who, arrays["jpeg"], arrays["offset"])
    label, names = arrays["label"].astype(np.int64), [str(name) for name in arrays["filename"]]
    if not len(blobs) == len(label) == len(names):
        met = f"{len(blobs)} images, {len(label)} labels, {len(names)} names"
        raise DataError(sentence(who, met, "the same number of each", BROKEN))
    return blobs, torch.from_numpy(label), names


def channels_first(images: np.ndarray) -> Tensor:
    """uint8 [N, H, W, C] as a contiguous tensor [N, C, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))

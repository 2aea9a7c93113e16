"""Packed files: mosaics cut in the right order, broken files refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from spikewright.core.errors import DataError
from spikewright.data.packed import read_arrays, read_jpegs, read_mosaics


def webp(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True)
    return out.getvalue()


def npz(**arrays) -> io.BytesIO:
    out = io.BytesIO()
    np.savez(out, **arrays)
    out.seek(0)
    return out


def mosaics(n: int = 8, **changes) -> io.BytesIO:
    """Two mosaics of 2x2 images of 2x3 pixels; image k is filled with (k, 10 k, 100 + k)."""
    tiles = [np.full((2, 3, 3), (k, 10 * k, 100 + k), np.uint8) for k in range(8)]
    grids = [np.vstack([np.hstack(tiles[k : k + 2]), np.hstack(tiles[k + 2 : k + 4])]) for k in (0, 4)]
    blobs = [webp(grid) for grid in grids]
    arrays = {
        "webp": np.frombuffer(b"".join(blobs), np.uint8),
        "offset": np.cumsum([0, *map(len, blobs)]),
        "label": np.arange(n, dtype=np.uint8),
        "index": np.arange(n, dtype=np.int32) + 50,
    }
    return npz(**{**arrays, **changes})


def test_mosaics_are_cut_row_by_row():
    images, label, index = read_mosaics(mosaics(), "x", 2, 3)
    assert images.shape == (8, 3, 2, 3)
    assert images[5].unique(dim=2).squeeze().tolist() == [[5, 5], [50, 50], [105, 105]]
    assert label.tolist() == list(range(8))
    assert index.tolist() == list(range(50, 58))


@pytest.mark.parametrize(
    ("changes", "size", "match"),
    [
        ({"offset": np.array([0, 5])}, (2, 3), "2 offsets that do not cut"),
        ({"offset": np.array([0])}, (2, 3), "1 offsets that do not cut"),
        ({"webp": np.zeros(9, np.uint8), "offset": np.array([0, 9])}, (2, 3), "an image that cannot be decoded"),
        ({}, (3, 3), "a mosaic of 4x6 pixels; expected a whole number of 3x3 images"),
        ({"label": np.zeros(7, np.uint8)}, (2, 3), "8 images, 7 labels, 8 places; expected the same number"),
    ],
)
def test_broken_mosaics_are_refused(changes, size, match):
    with pytest.raises(DataError, match=match):
        read_mosaics(mosaics(**changes), "x", *size)


def test_a_missing_array_is_named():
    with pytest.raises(DataError, match=r"x: got an npz without index; expected the arrays label, index"):
        read_arrays(npz(label=np.zeros(1)), "x", ("label", "index"))


def test_a_pickle_is_never_opened():
    with pytest.raises(DataError, match=r"unreadable file .*allow_pickle"):
        read_arrays(npz(label=np.array([{"a": 1}], dtype=object)), "x", ("label",))


@pytest.mark.parametrize("content", [b"", b"no npz at all", b"\x80\x04N."])
def test_what_is_no_npz_is_refused(content):
    with pytest.raises(DataError, match=r"x: got an unreadable file \(.*expected a whole npz. Delete"):
        read_arrays(io.BytesIO(content), "x", ("label",))


def test_a_single_array_is_no_npz():
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    out.seek(0)
    with pytest.raises(DataError, match=r"expected a whole npz"):
        read_arrays(out, "x", ("label",))


def test_jpegs_come_with_label_and_name_and_must_be_as_many():
    arrays = {
        "jpeg": np.arange(5, dtype=np.uint8),
        "offset": np.array([0, 2, 5]),
        "label": np.array([3, 999], np.int16),
        "filename": np.array(["a", "b"]),
    }
    blobs, label, names = read_jpegs(npz(**arrays), "x")
    assert (blobs, label.tolist(), names) == ([b"\x00\x01", b"\x02\x03\x04"], [3, 999], ["a", "b"])
    with pytest.raises(DataError, match=r"2 images, 2 labels, 1 names; expected the same number of each"):
        read_jpegs(npz(**{**arrays, "filename": np.array(["a"])}), "x")

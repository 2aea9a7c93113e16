"""The idx format: by hand, packed, and broken."""

from __future__ import annotations

import gzip
import lzma

import pytest

from spikewright.core.errors import DataError
from spikewright.data import mnist
from spikewright.data.idx import parse_idx, read_idx

TWO_IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


def test_an_idx_file_by_hand():
    assert parse_idx("x", TWO_IMAGES, 3).tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "the first bytes of an empty file; expected 00 00 08 03, an idx file of bytes with 3 axes"),
        (bytes([0, 0, 8, 1]) + TWO_IMAGES[4:], "the first bytes 00 00 08 01"),
        (bytes([0, 0, 9, 3]) + TWO_IMAGES[4:], "the first bytes 00 00 09 03"),
        (TWO_IMAGES[:-1], r"21 bytes for the axes \[2, 1, 3\]; expected axes and bytes that fit"),
        (TWO_IMAGES + b"x", "23 bytes"),
        (TWO_IMAGES[:12], r"12 bytes for the axes \[2, 1\]"),
    ],
)
def test_broken_idx_files_are_refused(content, match):
    with pytest.raises(DataError, match=match):
        parse_idx("x", content, 3)


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_all_packings_are_read(suffix, pack, tmp_path):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(pack(TWO_IMAGES))
    assert read_idx(path, 3).shape == (2, 1, 3)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_wrong_packing_is_refused(suffix, tmp_path):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(TWO_IMAGES)
    with pytest.raises(DataError, match=f"a file that cannot be unpacked .*expected a whole {suffix} file"):
        read_idx(path, 3)


def test_images_and_labels_must_be_as_many(fakes, tmp_path):
    _, labels = fakes["mnist"].write(tmp_path, [1, 2, 3])
    labels.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2])))
    with pytest.raises(DataError, match=r"of shape \[2\]; expected torch.int64 of shape \[3\], one label per image"):
        mnist.load(tmp_path, "train")


def test_the_layout_of_torchvision_is_found_too(fakes, tmp_path):
    fakes["mnist"].write(tmp_path, [1, 2, 3])
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "mnist").rename(tmp_path / "MNIST" / "raw")
    assert mnist.load(tmp_path, "train").labels.tolist() == [1, 2, 3]

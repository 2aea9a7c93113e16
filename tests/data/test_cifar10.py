"""CIFAR-10: both layouts, their order, and the note about a smaller copy."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from spikewright.core.errors import DataError
from spikewright.data import cifar10
from spikewright.data.cifar_binary import read_binary


def test_a_record_by_hand(tmp_path):
    path = tmp_path / "x.bin"
    pixels = (np.arange(3072) % 256).astype(np.uint8)
    path.write_bytes(bytes([7]) + pixels.tobytes() + bytes([3]) + pixels[::-1].tobytes())
    images, labels = read_binary([path], label_bytes=1, label_place=0)
    assert labels.tolist() == [7, 3]
    assert images[0, 0, 0, :3].tolist() == [0, 1, 2]  # along the row first
    assert images[0, 1, 1, 0].item() == (1024 + 32) % 256  # then the rows, then the channels
    assert images[1, 2, 31, 31].item() == 0


def test_a_record_too_short_is_refused(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(3072))
    with pytest.raises(DataError, match=r"x.bin: got 3072 bytes; expected a whole number of records of 3073 bytes"):
        read_binary([path], 1, 0)


def test_five_files_follow_each_other(fakes, tmp_path):
    fakes["cifar10"].write(tmp_path, list(range(10)))
    assert cifar10.load(tmp_path, "train").labels.tolist() == list(range(10))
    (tmp_path / "cifar-10-batches-bin/data_batch_5.bin").unlink()
    with pytest.raises(DataError, match=r"nothing of cifar-10-batches-bin/.*and nothing of cifar10/{train_part1.npz"):
        cifar10.load(tmp_path, "train")


def test_the_folder_may_lie_below_the_name(fakes, tmp_path):
    fakes["cifar10"].write(tmp_path, list(range(10)))
    (tmp_path / "cifar10").mkdir()
    shutil.move(tmp_path / "cifar-10-batches-bin", tmp_path / "cifar10")
    assert len(cifar10.load(tmp_path, "train")) == 10


def test_the_packed_layout_joins_its_parts_and_keeps_official_places(tmp_path):
    for part, values in enumerate([(10, 11), (12, 13)], start=1):
        grid = np.hstack([np.full((32, 32, 3), value, np.uint8) for value in values])
        blob = io.BytesIO()
        Image.fromarray(grid).save(blob, "WEBP", lossless=True)
        webp = np.frombuffer(blob.getvalue(), np.uint8)
        (tmp_path / "cifar10").mkdir(exist_ok=True)
        label, index = np.array(values, np.uint8) - 10, np.array(values, np.int32) * 2
        offset = np.array([0, len(webp)])
        path = tmp_path / f"cifar10/train_part{part}.npz"
        np.savez(path, webp=webp, offset=offset, label=label, index=index)
    data = cifar10.load(tmp_path, "train")
    assert data.images[:, 1, 5, 5].tolist() == [10, 11, 12, 13]
    assert data.labels.tolist() == [0, 1, 2, 3]
    assert data.index is not None
    assert torch.equal(data.index, torch.tensor([20, 22, 24, 26]))
    assert data.note == "cifar10 train: 4 of the 50000 official images"

"""The larger data that SPIKEWRIGHT_DATA may point to: bit for bit what it should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch

from spikewright.data import cifar10, load_dataset, mnist

ROOT = Path(os.environ.get("SPIKEWRIGHT_DATA") or "/does/not/exist")


def needs(*names: str):
    """Run a test only where these files lie below SPIKEWRIGHT_DATA."""
    gone = [name for name in names if not (ROOT / name).is_file()]
    return pytest.mark.skipif(bool(gone), reason=f"SPIKEWRIGHT_DATA has no {', '.join(gone)}")


def pixel_sha256(images: torch.Tensor) -> str:
    return hashlib.sha256(images.permute(0, 2, 3, 1).contiguous().numpy().tobytes()).hexdigest()


def mean_and_std(images: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, in [0, 1], from exact counts of the 256 values."""
    values = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack([channel.flatten().bincount(minlength=256) for channel in images.unbind(1)]).double()
    share = counts / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    return mean.tolist(), ((share * values**2).sum(1) - mean**2).sqrt().tolist()


@pytest.mark.bigdata
@needs("cifar10/train_part1.npz", "cifar10/train_part2.npz", "cifar10/test8000.npz")
def test_cifar10_is_bit_exact_and_holds_the_embedded_images():
    train, test = cifar10.load(ROOT, "train"), cifar10.load(ROOT, "test")
    assert pixel_sha256(train.images) == "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a"
    assert pixel_sha256(test.images) == "ad3e9bbe70970c4ca9792574be9d1c26c3c0c35bec981c66999a55df82d10a64"
    assert train.labels.bincount().tolist() == [5000] * 10
    assert test.note == "cifar10 test: 8000 of the 10000 official images"
    mean, std = mean_and_std(train.images)
    assert mean == pytest.approx(cifar10.SPEC.mean, abs=1e-7)
    assert std == pytest.approx(cifar10.SPEC.std, abs=1e-7)
    for split, whole in (("sample", test), ("calibration", train)):
        small = cifar10.load(split=split)
        assert small.index is not None
        assert whole.index is not None
        places = torch.searchsorted(whole.index, small.index)
        assert torch.equal(whole.index[places], small.index)
        assert torch.equal(whole.images[places], small.images)
        assert torch.equal(whole.labels[places], small.labels)


@pytest.mark.bigdata
@needs("mnist/train-images-idx3-ubyte.xz", "mnist/t10k-labels-idx1-ubyte.xz")
def test_mnist_is_whole_and_has_the_known_mean():
    train, test = load_dataset("mnist", ROOT, "train"), load_dataset("mnist", ROOT, "test")
    assert (len(train), len(test), train.note, test.note) == (60_000, 10_000, "", "")
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    mean, std = mean_and_std(train.images)
    assert mean == pytest.approx(mnist.SPEC.mean, abs=1e-7)
    assert std == pytest.approx(mnist.SPEC.std, abs=1e-7)


@pytest.mark.bigdata
@needs("imagenet/val500_224.npz", "imagenet/train100_224.npz")
@pytest.mark.parametrize(("split", "n", "classes"), [("val", 500, 395), ("train", 100, 100)])
def test_imagenet_packed_files_decode(split, n, classes):
    data = load_dataset("imagenet", ROOT, split)
    assert data.images.shape == (n, 3, 224, 224)
    assert len(data.labels.unique()) == classes
    assert f"{n} of the" in data.note

"""The images inside the package: whole, balanced, small, and refused when broken."""

from __future__ import annotations

import hashlib

import pytest

from spikewright.core.errors import DataError
from spikewright.data import cifar10
from spikewright.data.embedded import ASSETS, read_asset


@pytest.mark.parametrize(("split", "per_class"), [("sample", 100), ("calibration", 50)])
def test_the_embedded_images_are_whole_and_balanced(split, per_class, monkeypatch):
    monkeypatch.setenv("SPIKEWRIGHT_DATA", "/does/not/exist")  # they need no data folder
    data = cifar10.load(split=split)
    assert data.labels.bincount().tolist() == [per_class] * 10
    assert data.note == ""
    assert data.index is not None
    assert bool((data.index.diff() > 0).all())
    assert len({image.numpy().tobytes() for image in data.images}) == 10 * per_class


def test_the_pixels_are_pinned():
    """Decoding is lossless, so the pixels have a checksum of their own, whatever decodes them."""
    pixels = [cifar10.load(split=split).images.permute(0, 2, 3, 1) for split in ("sample", "calibration")]
    digests = [hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest() for x in pixels]
    assert digests == [
        "14810d0ab84ad4c14e307ca9b977c5bead8a632ee6a7d1f4b4dde400c7d85683",
        "e09a564782615951267509755076377f4f527bf7e8940be7906244122c469de7",
    ]


def test_together_they_are_at_most_4_mb_and_explained():
    assert sum(path.stat().st_size for path in ASSETS.glob("cifar10_*.npz")) <= 4_000_000
    text = (ASSETS / "README.md").read_text()
    assert "Krizhevsky" in text
    assert "state no licence" in text


def test_a_broken_asset_is_refused(tmp_path):
    name, sha256 = cifar10.EMBEDDED["sample"]
    content = bytearray((ASSETS / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        DataError, match=f"asset {name}: got sha256 .*expected sha256 {sha256}. Install the package again"
    ):
        read_asset(name, sha256, tmp_path)


def test_a_missing_asset_is_named(tmp_path):
    with pytest.raises(DataError, match=r"asset x.npz: got no file .*Install the package again"):
        read_asset("x.npz", "0" * 64, tmp_path)

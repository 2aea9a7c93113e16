"""Networks and conversions come back from their files as they went, and every wrong name or file is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright import Spiking
from spikewright.coding import repeat
from spikewright.convert import convert
from spikewright.convert.recipe import Conversion, Recipe
from spikewright.convert.recipes import OPI, QCFS, RobustNorm
from spikewright.convert.statistics import Maximum, Percentile, per_channel
from spikewright.core.errors import CheckpointError, ConfigError
from spikewright.experiments import network as network_module
from spikewright.experiments.network import (
    Loaded,
    Network,
    embedded,
    load_conversion,
    load_network,
    network_file,
    save_conversion,
    save_network,
)
from spikewright.models.checkpoint import save

SMALL = Network(classes=4, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_network(tmp_path / "model.safetensors", SMALL.build(), SMALL, {"accuracy": 0.25})
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("prepare", [None, QCFS(levels=8, v_threshold=4.0)])
def test_a_network_comes_back_from_its_file_and_its_folder(prepare: Recipe | None, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = replace(SMALL, prepare=prepare)
    model = network.build()
    save_network(tmp_path / "model.safetensors", model, network, {"accuracy": 0.25})
    x = torch.rand(2, 3, 16, 16)
    expected = model.eval()(x)
    for reference in (tmp_path, tmp_path / "model.safetensors"):
        loaded = load_network(str(reference))
        assert loaded.name == str(reference)
        assert not loaded.model.training
        assert torch.equal(loaded.model(x), expected)
        assert loaded.description["about"] == {"accuracy": 0.25}
        assert loaded.description["network"]["classes"] == 4


def test_embedded_networks_load_by_name() -> None:
    assert {"cifar10_resnet20_relu", "cifar10_resnet20_qcfs_l4"} <= set(embedded())
    for name in embedded():
        model, image = load_network(name).model, torch.rand(1, 3, 32, 32)
        assert model(repeat(image, 2) if isinstance(model, Spiking) else image).shape[-2:] == (1, 10)


@pytest.mark.parametrize("name", [name for name in embedded() if name.startswith("cifar10_cnn")])
def test_hardened_networks_say_what_they_are(name: str) -> None:
    loaded = load_network(name)
    about = loaded.description["about"]
    assert (about["run"], about["timesteps"], about["train_images"]) == (name, 4, 10_000)
    assert isinstance(loaded.model, Spiking)
    assert about["attacked"]["pgd10"] <= about["attacked"]["fgsm"] < about["attacked"]["clean"]
    if name != "cifar10_cnn_clean":
        undefended = load_network("cifar10_cnn_clean").description["about"]["attacked"]
        assert about["attacked"]["pgd10"] > undefended["pgd10"]


def test_a_network_of_the_users_own(own: Path) -> None:
    loaded = load_network(f"{own}:net")
    assert loaded.description == {"python": f"{own}:net"}
    assert not loaded.model.training
    assert loaded.model(torch.rand(2, 3, 16, 16)).shape == (2, 4)


RECIPES = [
    OPI(),
    OPI(threshold=Maximum(groups=per_channel), start=0.25),
    OPI(threshold=Percentile(percentile=97.5, groups=per_channel)),
    RobustNorm(threshold=Percentile(percentile=99.0)),
]


@pytest.mark.parametrize(
    ("recipe", "whose"),
    [(RECIPES[0], "own"), (RECIPES[1], "own"), (RECIPES[2], "own"), (RECIPES[3], "own"), (RECIPES[2], "saved")],
    ids=["layer", "maximum", "channel", "robust", "resnet"],
)
def test_a_conversion_comes_back_bit_by_bit_without_calibration(
    recipe: Recipe, whose: str, own: Path, weights: Path, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    loaded = load_network(f"{own}:net" if whose == "own" else str(weights))
    before = convert(loaded.model, recipe, torch.rand(64, 3, 16, 16))
    save_conversion(tmp_path / "snn.safetensors", loaded, before, {"accuracy": 0.5})
    again, after = load_conversion(str(tmp_path / "snn.safetensors"))
    assert after.recipe == recipe
    assert again.description["conversion"] == {"accuracy": 0.5}
    assert all(torch.equal(after.thresholds[site], value) for site, value in before.thresholds.items())
    assert set(after.thresholds) == set(before.thresholds)
    x = torch.rand(5, 2, 3, 16, 16)
    assert torch.equal(after.model(x), before.model(x))
    assert torch.equal(after.source(x[0]), before.source(x[0]))


def test_a_conversion_without_measured_thresholds_comes_back_from_its_folder(tmp_path: Path) -> None:
    network = replace(SMALL, prepare=QCFS(levels=2, v_threshold=3.0))
    save_network(tmp_path / "source" / "model.safetensors", network.build(), network, {})
    loaded = load_network(str(tmp_path / "source"))
    before = convert(loaded.model, QCFS(start=0.25))
    save_conversion(tmp_path / "snn.safetensors", loaded, before, {})
    _, after = load_conversion(str(tmp_path))
    x = torch.rand(3, 2, 3, 16, 16)
    assert torch.equal(after.model(x), before.model(x))
    assert after.recipe == QCFS(start=0.25)
    assert after.thresholds == {}


def test_a_network_that_decides_on_shapes_comes_back_by_the_shape_of_its_images(tmp_path: Path) -> None:
    path = tmp_path / "deciding.py"
    path.write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x[..., 1:] if x.shape[-1] % 2 else x)\n"
        "def net():\n"
        "    return Net(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(84, 2))\n"
    )
    loaded = load_network(f"{path}:net")
    before = convert(loaded.model, OPI(), torch.rand(64, 1, 9, 9))
    save_conversion(tmp_path / "snn.safetensors", loaded, before, {"image": [1, 9, 9]})
    _, after = load_conversion(str(tmp_path))
    x = torch.rand(3, 2, 1, 9, 9)
    assert torch.equal(after.model(x), before.model(x))


def test_a_folder_that_holds_both_networks_gives_each_its_own(weights: Path, tmp_path: Path) -> None:
    loaded = load_network(str(weights))
    save_conversion(tmp_path / "snn.safetensors", loaded, convert(loaded.model, OPI(), torch.rand(64, 3, 16, 16)), {})
    assert "recipe" not in load_network(str(tmp_path)).description
    assert load_conversion(str(tmp_path))[1].recipe == OPI()


def test_there_is_no_such_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no network 'resnet21'; expected one of cifar10_cnn_at, .*, a"):
        network_file("resnet21")
    monkeypatch.setattr(network_module, "WEIGHTS", tmp_path)
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"expected one of none embedded, a \.safetensors file, a run folder"):
        network_file("resnet21")


def test_weights_that_do_not_say_whose_they_are(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", SMALL.build().state_dict(), {})
    with pytest.raises(CheckpointError, match=r"w\.safetensors: does not say which network it is for; .*file.py:func"):
        load_network(str(tmp_path / "w.safetensors"))


def test_weights_of_another_network(tmp_path: Path) -> None:
    save_network(tmp_path / "w.safetensors", SMALL.build(), replace(SMALL, classes=5), {})
    with pytest.raises(
        CheckpointError, match=r"does not fit ResNet: classifier.weight has shape \[4, 64\], .* \[5, 64"
    ):
        load_network(str(tmp_path / "w.safetensors"))
    save(tmp_path / "w.safetensors", {}, {"network": {"architecture": "resnet21"}})
    with pytest.raises(
        ConfigError, match=r"Network\.architecture: got 'resnet21'; expected one of cifar_cnn, event_cnn,"
    ):
        load_network(str(tmp_path / "w.safetensors"))


def test_broken_files(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors: is truncated or no safetensors file"):
        load_network(str(tmp_path / "cut.safetensors"))
    torch.save({"w": torch.ones(1)}, tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match=r"old\.pt: this is a pickle"):
        load_conversion(str(tmp_path / "old.pt"))


def test_an_ordinary_network_is_no_conversion(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds an ordinary network, not a converted one; .*snn\.safetensors"):
        load_conversion(str(weights))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nett", r"mine\.py has no function 'nett'; expected one without arguments that returns a network"),
        ("number", r"mine\.py has no function 'number'"),
        ("word", r"word in .*mine\.py returned str; expected a torch\.nn\.Module"),
        ("broken", r"broken in .*mine\.py raised ValueError \(no such layer\); expected code that runs"),
    ],
)
def test_a_function_that_gives_no_network(function: str, message: str, own: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_network(f"{own}:{function}")


def test_a_python_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*none\.py; expected file\.py:function"):
        load_network(f"{tmp_path / 'none.py'}:net")
    (tmp_path / "bad.py").write_text("def net(:\n")
    with pytest.raises(ConfigError, match=r"bad\.py raised SyntaxError"):
        load_network(f"{tmp_path / 'bad.py'}:net")


def test_a_conversion_of_a_network_whose_file_changed(own: Path, conversion: Conversion, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(own.read_text())
    loaded = load_network(f"{mine}:net")
    save_conversion(tmp_path / "snn.safetensors", Loaded("mine", loaded.model, loaded.description), conversion, {})
    mine.write_text(own.read_text().replace("width: int = 4", "width: int = 5"))
    with pytest.raises(CheckpointError, match=r"snn\.safetensors: does not fit Sequential: 0\.0\.weight has shape"):
        load_conversion(str(tmp_path))

"""Networks that others have trained, in runs: found by name, converted, saved, loaded without their folder, credited."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from spikewright.convert import convert, prepare_trained
from spikewright.convert.recipes import OPI, QCFS
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import CheckpointError, ConfigError
from spikewright.data import synthetic
from spikewright.experiments.conversion import ConvertRun, EvaluateRun, run_conversion, run_diagnosis, run_evaluation
from spikewright.experiments.judging import Judging
from spikewright.experiments.network import (
    Network,
    embedded,
    load_conversion,
    load_network,
    network_file,
    save_conversion,
)
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training
from spikewright.report import RunFolder
from spikewright.train import SGD, FitConfig

NAME = "stripes_net_v1.0_16"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose `weights` holds one small network for the synthetic images, and nothing else."""
    generator = torch.Generator().manual_seed(5)
    weights = {
        "conv.weight": torch.randn(6, 3, 3, 3, generator=generator) / 3,
        "conv.bias": torch.randn(6, generator=generator) / 3,
        "fc.weight": torch.randn(4, 6, generator=generator),
        "fc.bias": torch.randn(4, generator=generator),
    }
    graph = [
        {"op": "conv", "in": [0], "out": 1, "w": "conv", "stride": 2, "pad": [0, 1, 0, 1], "groups": 1, "act": "relu"},
        {"op": "gap", "in": [1], "out": 2},
        {"op": "linear", "in": [2], "out": 3, "w": "fc"},
    ]
    content = save(weights)
    about = {
        "name": NAME,
        "file": f"{NAME}.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        "normalise": {"scale": 1 / 255, "mean": [0.5] * 3, "std": [0.25] * 3},
        "source": "a journal",
        "licence": "any",
        "graph": graph,
    }
    folder = tmp_path / "data" / "weights"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.safetensors").write_bytes(content)
    (folder / f"{NAME}.json").write_text(json.dumps(about))
    return folder.parent


@pytest.fixture
def config(data: Path, judging: Judging, tmp_path: Path) -> ConvertRun:
    return ConvertRun(
        model=NAME,
        recipe=OPI(),
        dataset="synthetic",
        calibration="train",
        calibration_images=64,
        judging=replace(judging, images=12, timesteps=3),
        data=data,
        out=tmp_path / "runs",
    )


def folder_of(config: ConvertRun | EvaluateRun, name: str) -> RunFolder:
    return RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})


def test_it_is_found_by_argument_and_variable(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_network(NAME, data)
    assert loaded.description["pretrained"]["source"] == "a journal"
    assert (loaded.classes, loaded.title) == (4, NAME)
    assert loaded.credit == f"weights {NAME}: a journal; licence: any"
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(data))
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(load_network(NAME).model(x), loaded.model(x))


def test_an_embedded_name_goes_first(data: Path) -> None:
    name = embedded()[0]
    text = (data / "weights" / f"{NAME}.json").read_text().replace(NAME, name)
    (data / "weights" / f"{name}.json").write_text(text)
    loaded = load_network(name, data)
    assert "network" in loaded.description
    assert (loaded.classes, loaded.credit) == (10, "")


def test_unknown_names_are_answered_with_those_that_there_are(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=rf"no network 'stripes'; expected one of .*, {NAME}, a \.safetensors file"
    ):
        load_network("stripes", data)
    with pytest.raises(CheckpointError, match=r"Networks of others are looked for in the folder weights below that of"):
        network_file("stripes", data=tmp_path / "none")


def test_a_conversion_comes_back_without_the_folder(data: Path, tmp_path: Path) -> None:
    loaded = load_network(NAME, data)
    before = convert(loaded.model, OPI(), torch.rand(64, 3, 16, 16))
    save_conversion(tmp_path / "snn.safetensors", loaded, before, {"accuracy": 0.5})
    shutil.rmtree(data)
    again, after = load_conversion(str(tmp_path / "snn.safetensors"))
    x = torch.rand(5, 2, 3, 16, 16)
    assert torch.equal(after.model(x), before.model(x))
    assert torch.equal(again.model(x[0]), loaded.model(x[0]))
    assert (again.title, again.classes) == (NAME, 4)
    assert again.description["pretrained"]["name"] == NAME


def test_runs_name_and_credit_it(config: ConvertRun) -> None:
    folder = folder_of(config, "convert")
    report = run_conversion(config, folder)
    assert report.title == f"{NAME} by OPI"
    assert report.references[-1] == f"weights {NAME}: a journal; licence: any"
    again = EvaluateRun(model=str(folder.path), dataset="synthetic", judging=config.judging, out=config.out)
    evaluated = run_evaluation(again, folder_of(again, "evaluate"))
    assert (evaluated.tables, evaluated.title) == (report.tables, report.title)
    assert evaluated.references == report.references
    diagnosed = run_diagnosis(config, folder_of(config, "diagnose"))
    assert diagnosed.title == f"Diagnosis of {NAME} by OPI"
    assert diagnosed.references == report.references[-1:]


def test_it_is_judged_on_as_many_classes_as_it_has(config: ConvertRun) -> None:
    wrong = replace(config, dataset="cifar10", calibration="calibration")
    with pytest.raises(ConfigError, match=rf"--dataset cifar10: has 10 classes, but {NAME} was made for 4"):
        run_conversion(replace(wrong, judging=replace(wrong.judging, split="sample")), folder_of(wrong, "convert"))


@pytest.fixture
def training(data: Path, tmp_path: Path) -> TrainRun:
    """Two updates of the pretrained network, as QCFS wants it, with a rate that changes nothing but batch norms."""
    return TrainRun(
        network=Network(pretrained=NAME, prepare=QCFS(levels=4)),
        dataset="synthetic",
        images=8,
        batch_size=4,
        calibration_images=6,
        fit=FitConfig(epochs=1, optimizer=SGD(lr=1e-30, weight_decay=0.0)),
        device="cpu",
        threads=1,
        data=data,
        out=tmp_path / "runs",
    )


def test_it_is_fine_tuned_and_comes_back_without_the_folder(training: TrainRun, data: Path) -> None:
    images = synthetic.load(split="train").subset(6).gather(torch.arange(6))[0]
    source = load_network(NAME, data).model
    expected = prepare_trained(source, QCFS(levels=4), images).eval()
    folder = RunFolder.create(training.out, "train", to_json(training, REGISTRIES), {})
    assert run_training(training, folder) is not None
    shutil.rmtree(data)
    loaded = load_network(folder.path)
    assert [name for name, value in expected.named_parameters() if value.dim() == 0] == ["conv_relu.v_threshold"]
    assert all(torch.equal(loaded.model.state_dict()[name], value) for name, value in expected.state_dict().items())
    assert torch.equal(loaded.model(images), expected(images))
    assert (loaded.classes, loaded.credit) == (4, f"weights {NAME}: a journal; licence: any")
    assert loaded.description["about"]["first_weights"]["weights"] == NAME
    before = convert(loaded.model, QCFS())
    save_conversion(folder.path / "snn.safetensors", loaded, before, {})
    again, after = load_conversion(folder.path)
    x = torch.rand(5, 2, 3, 16, 16)
    assert torch.equal(after.model(x), before.model(x))
    assert again.credit == loaded.credit


def test_a_fine_tuned_network_is_fine_tuned_again(training: TrainRun, data: Path) -> None:
    run_training(training, first := RunFolder.create(training.out, "first", to_json(training, REGISTRIES), {}))
    clipped = replace(training, network=Network(pretrained=str(first.path)))
    run_training(clipped, second := RunFolder.create(training.out, "second", to_json(clipped, REGISTRIES), {}))
    shutil.rmtree(data)
    shutil.rmtree(first.path)
    loaded = load_network(second.path)
    assert (loaded.classes, loaded.credit) == (4, f"weights {NAME}: a journal; licence: any")
    assert "act" not in loaded.model.state_dict()
    assert any(name.endswith("v_threshold") for name in loaded.model.state_dict())


def test_it_is_trained_on_after_its_folder_is_gone(training: TrainRun, data: Path) -> None:
    hasty = replace(training, minutes=0.0)
    folder = RunFolder.create(training.out, "hasty", to_json(hasty, REGISTRIES), {})
    assert run_training(hasty, folder) is None
    shutil.rmtree(data / "weights")
    assert run_training(replace(hasty, minutes=None), folder) is not None
    assert load_network(folder.path).classes == 4


def test_a_network_of_the_users_own_is_fine_tuned(training: TrainRun, own: Path) -> None:
    config = replace(training, network=Network(pretrained=f"{own}:net", prepare=OPI(trained_bound=4.0)))
    run_training(config, folder := RunFolder.create(training.out, "own", to_json(config, REGISTRIES), {}))
    loaded = load_network(folder.path)
    assert loaded.description["source"] == {"python": f"{own}:net"}
    bounds = [value.item() for name, value in loaded.model.state_dict().items() if name.endswith("v_threshold")]
    assert len(bounds) == 2
    assert 4.0 not in bounds


def test_it_is_trained_on_as_many_classes_as_it_has(training: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    three = replace(synthetic.load(split="train").subset(8), classes=("a", "b", "c"), labels=torch.zeros(8).long())
    monkeypatch.setattr("spikewright.experiments.training.load_dataset", lambda *_: three)
    with pytest.raises(ConfigError, match=rf"--dataset synthetic: has 3 classes, but {NAME} was made for 4\. Train"):
        run_training(training, RunFolder.create(training.out, "wrong", to_json(training, REGISTRIES), {}))


def test_a_pretrained_network_survives_json_and_is_looked_for_in_the_folder(data: Path, tmp_path: Path) -> None:
    network = Network(pretrained=NAME)
    assert from_json(Network, to_json(network, REGISTRIES), REGISTRIES) == network
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(network.build(data).eval()(x), load_network(NAME, data).model(x))
    with pytest.raises(CheckpointError, match=rf"there is no network '{NAME}'"):
        network.build(tmp_path)


def test_a_saved_description_that_is_broken(data: Path, tmp_path: Path) -> None:
    loaded = load_network(NAME, data)
    broken = {**loaded.description["pretrained"], "graph": "none"}
    loaded = replace(loaded, description={**loaded.description, "pretrained": broken})
    conversion = convert(loaded.model, OPI(), torch.rand(64, 3, 16, 16))
    save_conversion(tmp_path / "snn.safetensors", loaded, conversion, {})
    with pytest.raises(
        CheckpointError, match=r"snn\.safetensors, pretrained: got the graph 'none'; expected a list of"
    ):
        load_conversion(str(tmp_path / "snn.safetensors"))

"""A training runs, stops, goes on to the same weights, and leaves a network that loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.convert.recipes import QCFS
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, CheckpointError, ConfigError
from spikewright.data import synthetic
from spikewright.data.augment import Cutout
from spikewright.experiments import EXPERIMENTS
from spikewright.experiments.network import load_network
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training
from spikewright.report import RunFolder
from spikewright.train.checkpoint import load
from spikewright.train.optim import SGD


def folder_of(config: TrainRun, name: str = "run") -> RunFolder:
    return RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_makes_two_updates(name: str, tiny: TrainRun) -> None:
    experiment = EXPERIMENTS[name]()
    config = replace(
        experiment,
        weights=None,  # of a network for other images
        network=replace(tiny.network, prepare=experiment.network.prepare),
        fit=replace(experiment.fit, epochs=1, checkpoint_steps=1),
        **{part: getattr(tiny, part) for part in ("dataset", "images", "batch_size", "device", "threads", "out")},
    )
    folder, seen = folder_of(config), []
    report = run_training(config, folder, lambda **numbers: seen.append(numbers))
    assert report is not None
    (row,) = folder.metrics()
    assert seen == [row]
    assert row["epoch"] == 1
    progress = load(folder.path / "checkpoint.safetensors")[1]["progress"]
    assert (progress["epoch"], progress["batch"]) == (1, 0)
    loaded = load_network(str(folder.path))
    assert loaded.description["about"]["train_images"] == 8
    assert loaded.description["about"]["test_accuracy"] == row["eval_accuracy"]
    assert loaded.model(torch.rand(2, 3, 16, 16)).shape == (2, 4)
    assert f"{100 * row['eval_accuracy']:.2f} %" in report.summary
    assert (folder.path / "figures" / "learning_curve.svg").is_file()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_named_after_itself_and_survives_json(name: str) -> None:
    config = EXPERIMENTS[name]()
    assert config.name == name
    assert from_json(TrainRun, to_json(config, REGISTRIES), REGISTRIES) == config


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("cifar10_vgg16_qcfs", 33_646_666), ("cifar10_resnet18_qcfs", 11_173_962), ("cifar10_resnet20_qcfs", 272_474)],
)
def test_the_published_trainings_are_those_of_the_paper(name: str, parameters: int) -> None:
    config = EXPERIMENTS[name]()
    sites = {"cifar10_vgg16_qcfs": 15, "cifar10_resnet18_qcfs": 17, "cifar10_resnet20_qcfs": 19}[name]
    model = config.network.build()
    assert sum(part.numel() for part in model.parameters()) == parameters + sites  # one threshold per activation
    assert (config.fit.epochs, config.batch_size, config.dataset) == (300, 128, "cifar10")
    assert config.network.prepare == QCFS(levels=4, v_threshold=8.0)
    assert to_json(config, REGISTRIES)["fit"]["optimizer"] == to_json(config.fit.optimizer) | {"type": "SGD"}
    assert (config.fit.optimizer.lr, config.fit.optimizer.weight_decay) == (0.1, 5e-4)  # pyright: ignore
    # a hole of zeros after the pixel scaling is a hole of the mean colour before it
    assert config.augment[-1] == Cutout(size=16, fill=config.network.mean)


def test_a_run_stopped_after_every_update_ends_with_the_same_weights(tiny: TrainRun) -> None:
    whole = folder_of(tiny, "whole")
    assert run_training(tiny, whole) is not None
    hasty = replace(tiny, minutes=0.0)
    parts, results = folder_of(hasty, "parts"), []
    while not results or (results[-1] is None and len(results) < 5):
        results.append(run_training(hasty, parts))
        assert (parts.path / "model.safetensors").exists() == (results[-1] is not None)
    assert [result is None for result in results] == [True, True, False]
    expected, _ = load(whole.path / "model.safetensors")
    got, _ = load(parts.path / "model.safetensors")
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_training_begins_with_the_weights_of_another_run(tiny: TrainRun) -> None:
    four = replace(tiny, network=replace(tiny.network, prepare=QCFS(levels=4, v_threshold=2.0)))
    run_training(four, first := folder_of(four, "first"))
    weights = str(first.path / "model.safetensors")
    still = replace(tiny.fit, optimizer=SGD(lr=1e-30, weight_decay=0.0))
    eight = replace(four, network=replace(tiny.network, prepare=QCFS(levels=8)), weights=weights, fit=still)
    run_training(eight, second := folder_of(eight, "second"))
    before, _ = load(Path(weights))
    after, description = load(second.path / "model.safetensors")
    assert all(
        torch.equal(after[name], before[name]) for name in before if "running" not in name and "num_" not in name
    )
    assert description["about"]["first_weights"]["weights"] == weights
    assert description["about"]["first_weights"]["about"]["train_images"] == 8


def test_a_run_keeps_its_first_weights_so_that_it_can_be_gone_on_with_alone(tiny: TrainRun) -> None:
    run_training(tiny, first := folder_of(tiny, "first"))
    moving = first.path / "model.safetensors"
    hasty = replace(tiny, weights=str(moving), minutes=0.0)
    folder = folder_of(hasty, "hasty")
    assert run_training(hasty, folder) is None
    moving.unlink()
    run_training(replace(hasty, minutes=None), folder)
    assert (folder.path / "model.safetensors").is_file()


def test_weights_of_other_layers_are_refused_before_training(tiny: TrainRun) -> None:
    run_training(tiny, first := folder_of(tiny, "first"))
    other = replace(tiny, network=replace(tiny.network, prepare=QCFS(levels=4)), weights=str(first.path))
    with pytest.raises(CheckpointError, match=r"weights .*: does not fit ResNet: .*v_threshold is missing"):
        run_training(other, folder_of(other, "other"))


def test_the_evaluation_split_is_that_of_the_data_set(tiny: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(synthetic.SPEC, splits={"train": 800, "val": 60}, evaluation_split="val")
    monkeypatch.setattr(synthetic, "SPEC", spec)
    monkeypatch.setitem(synthetic.SEEDS, "val", 3)
    report = run_training(tiny, folder_of(tiny))
    assert report is not None
    assert "of 60 test images" in report.summary


def test_bad_trainings_are_named(tiny: TrainRun) -> None:
    with pytest.raises(ArgumentError, match=r"TrainRun\.label_smoothing: got 1; expected a number in 0..1, below 1"):
        replace(tiny, label_smoothing=1)
    with pytest.raises(ArgumentError, match=r"TrainRun\.threads: got -1; expected 0 or a number of threads"):
        replace(tiny, threads=-1)
    with pytest.raises(ConfigError, match=r"dataset: got 'mnits'; expected one of .*mnist"):
        run_training(replace(tiny, dataset="mnits"), folder_of(tiny))

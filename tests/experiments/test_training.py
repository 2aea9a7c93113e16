"""A training runs, stops, goes on to the same weights, and leaves a network that loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.coding import repeat
from spikewright.convert import prepare_trained
from spikewright.convert.recipes import OPI, QCFS
from spikewright.convert.statistics import Maximum, Statistic
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, CheckpointError, ConfigError
from spikewright.core.spiking import Spiking
from spikewright.data import synthetic
from spikewright.data.augment import Cutout
from spikewright.experiments import EXPERIMENTS, cost
from spikewright.experiments.network import embedded, load_network, save_network
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training
from spikewright.models.checkpoint import load
from spikewright.report import RunFolder
from spikewright.train.optim import SGD


def folder_of(config: TrainRun, name: str = "run") -> RunFolder:
    return RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})


def small_relu(tiny: TrainRun, seed: int = 3) -> str:
    """A ReLU network for the synthetic images, whose batch norms have seen some, as a file."""
    torch.manual_seed(seed)
    model = tiny.network.build().train()
    with torch.no_grad():
        model(synthetic.load(split="train").subset(32).gather(torch.arange(32))[0])
    path = tiny.out / f"relu{seed}.safetensors"
    save_network(path, model, tiny.network, {"seed": seed})
    return str(path)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_makes_two_updates(name: str, tiny: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "SPEC", replace(synthetic.SPEC, splits={"train": 800, "test": 20}))
    monkeypatch.setattr(cost, "COUNTED", 2)
    experiment = EXPERIMENTS[name]()
    trained = small_relu(tiny)
    config = replace(
        experiment,
        weights=experiment.weights and trained,
        teacher=experiment.teacher and trained,
        hardening=experiment.hardening and replace(experiment.hardening, watch=None),
        network=replace(tiny.network, prepare=experiment.network.prepare, neurons=experiment.network.neurons),
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
    spiking = isinstance(loaded.model, Spiking)
    assert spiking == (experiment.network.neurons is not None)
    image = torch.rand(2, 3, 16, 16)
    assert loaded.model(repeat(image, 4) if spiking else image).shape == ((4, 2, 4) if spiking else (2, 4))
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
    other = replace(tiny, network=replace(tiny.network, architecture="resnet56"), weights=small_relu(tiny))
    for prepare in (None, QCFS(levels=4)):
        config = replace(other, network=replace(other.network, prepare=prepare))
        with pytest.raises(CheckpointError, match=r"weights .*relu3\.safetensors: does not fit .*is missing"):
            run_training(config, folder_of(config, "other"))
    trained = replace(tiny, network=replace(tiny.network, prepare=QCFS(levels=4)))
    run_training(trained, first := folder_of(trained, "first"))
    plain = replace(tiny, weights=str(first.path))
    with pytest.raises(CheckpointError, match=r"does not fit ResNet: .*v_threshold is not in the model"):
        run_training(plain, folder_of(plain, "plain"))


@pytest.mark.parametrize("statistic", [None, Maximum()])
def test_a_plain_network_sets_the_first_thresholds(statistic: Statistic | None, tiny: TrainRun) -> None:
    still = replace(tiny.fit, optimizer=SGD(lr=1e-30, weight_decay=0.0))
    prepare, weights = QCFS(levels=4), small_relu(tiny)
    network = replace(tiny.network, prepare=prepare)
    config = replace(tiny, network=network, weights=weights, thresholds=statistic, fit=still)
    run_training(config, folder := folder_of(config))
    images = synthetic.load(split="train").subset(8).gather(torch.arange(8))[0]
    source = load_network(weights).model
    expected = prepare_trained(source, prepare, images, statistic=statistic).state_dict()
    got, description = load(folder.path / "model.safetensors")
    assert set(got) == set(expected)
    same = [name for name in got if "running" not in name and "num_" not in name]
    assert sum(name.endswith("v_threshold") for name in same) == 19
    assert all(torch.allclose(got[name], expected[name], rtol=0, atol=1e-20) for name in same)  # zeros move by 1e-30
    assert description["about"]["first_weights"] == {"weights": weights, "about": {"seed": 3}}


def test_a_fine_tuning_stopped_after_every_update_ends_with_the_same_weights(tiny: TrainRun) -> None:
    prepared = replace(tiny.network, prepare=QCFS(levels=4))
    config = replace(tiny, network=prepared, weights=(weights := small_relu(tiny)), teacher=small_relu(tiny, 4))
    run_training(config, whole := folder_of(config, "whole"))
    hasty = replace(config, minutes=0.0)
    parts = folder_of(hasty, "parts")
    assert run_training(hasty, parts) is None
    Path(weights).unlink()
    while run_training(hasty, parts) is None:
        pass
    expected, got = (load(folder.path / "model.safetensors")[0] for folder in (whole, parts))
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_a_teacher_is_learnt_from_beside_the_labels(tiny: TrainRun) -> None:
    """A teacher of no weight changes nothing but what is logged."""
    rows, ends = {}, {}
    for name, weight in (("alone", None), ("without", 0.0), ("with", 3.0)):
        taught = replace(tiny, teacher=small_relu(tiny, 4), teacher_weight=weight or 0.0, teacher_temperature=2.0)
        config = tiny if weight is None else taught
        run_training(config, folder := folder_of(config, name))
        (rows[name],) = folder.metrics()
        ends[name] = load(folder.path / "model.safetensors")[0]
    assert "distillation" not in rows["alone"]
    assert rows["with"]["distillation"] > 0
    assert all(torch.equal(ends["alone"][name], value) for name, value in ends["without"].items())
    assert not torch.equal(ends["alone"]["classifier.weight"], ends["with"]["classifier.weight"])


def test_the_fine_tunings_begin_with_the_embedded_network() -> None:
    for levels in (4, 8):
        config = EXPERIMENTS[f"cifar10_resnet20_qcfs_l{levels}_fine_tune"]()
        assert config.network.prepare == QCFS(levels=levels)
        assert config.weights == config.teacher == "cifar10_resnet20_relu"
        assert config.weights in embedded()
    assert EXPERIMENTS["cifar10_resnet20_clip"]().network.prepare == OPI(trained_bound=4.0)


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
    with pytest.raises(
        ArgumentError, match=r"TrainRun\.calibration_images: got 0; expected a whole number of at least 1"
    ):
        replace(tiny, calibration_images=0)
    with pytest.raises(ArgumentError, match=r"TrainRun\.teacher_temperature: got 0; expected a finite number above 0"):
        replace(tiny, teacher_temperature=0)
    with pytest.raises(ConfigError, match=r"dataset: got 'mnits'; expected one of .*mnist"):
        run_training(replace(tiny, dataset="mnits"), folder_of(tiny))

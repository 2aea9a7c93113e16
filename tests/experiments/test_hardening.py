"""Networks are hardened as their config says: losses, hooks, images that are watched, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from spikewright.attack import BPTR, FGSM, PGD, RFGSM, Linf
from spikewright.core import Triangle
from spikewright.core.config import from_json, parse, to_json
from spikewright.core.errors import ArgumentError, ConfigError
from spikewright.core.seed import generator
from spikewright.experiments.hardening import HARDENINGS, RAT, SGR, TRADES, Adversarial, Hardening, Watch
from spikewright.experiments.network import Network, load_network
from spikewright.experiments.neuron_choice import IFNeurons
from spikewright.experiments.over_time import OverTime
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training, training_loss
from spikewright.models import wide_resnet16_convex
from spikewright.models.checkpoint import load
from spikewright.report import RunFolder
from spikewright.robust import Attacked, Mixture, NormLimit, Retraction, View, keep_convex
from spikewright.train import SGD, rate_cross_entropy

NEURONS = IFNeurons(spike=Triangle(), reset="to_zero")
WATCH = Watch(images=5, attack=Attacked(search=PGD(steps=2), budget=Linf(eps=0.1)))


def hardened(spiking: TrainRun, hardening: Hardening, **changes) -> TrainRun:
    fit = replace(spiking.fit, optimizer=SGD(lr=0.05, weight_decay=0.0))
    return replace(spiking, hardening=hardening, fit=fit, **changes)


def ran(config: TrainRun, name: str = "run", **limits) -> tuple[RunFolder, Any]:
    folder = RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})
    return folder, run_training(config, folder, **limits)


@pytest.mark.parametrize("kind", HARDENINGS.values(), ids=HARDENINGS)
def test_every_kind_survives_json_and_trains(kind: type[Hardening], spiking: TrainRun) -> None:
    config = hardened(spiking, kind(watch=None))
    assert from_json(TrainRun, json.loads(json.dumps(to_json(config, REGISTRIES))), REGISTRIES) == config
    folder, report = ran(config)
    assert report is not None
    assert load_network(folder.path).description["about"]["train_images"] == 16


def test_flags_refine_any_part() -> None:
    words = ["--hardening", "rat", "--hardening.retraction.beta", "0.01", "--hardening.gradient_sparsity", "0.5"]
    words += ["--hardening.examples", "Attacked", "--hardening.examples.search", "PGD"]
    words += ["--hardening.examples.search.steps", "3", "--hardening.examples.rule", "bptr"]
    words += ["--network.neurons", "IF", "--fit.optimizer.weight_decay", "0", "--hardening.watch", "none"]
    found = parse(TrainRun(), words, REGISTRIES).hardening
    expected = Attacked(search=PGD(steps=3), rule=BPTR())
    assert found == RAT(examples=expected, retraction=Retraction(beta=0.01), gradient_sparsity=0.5, watch=None)


def test_the_named_ones_are_what_is_published() -> None:
    assert Adversarial().examples == Attacked(search=PGD(steps=2, relative_step=0.5), budget=Linf(eps=2 / 255))
    assert Adversarial().retraction is None
    rat = RAT()
    assert isinstance(rat.examples, Mixture)
    assert rat.examples.parts == tuple(
        Attacked(search=search, budget=Linf(eps=2 / 255), rule=BPTR()) for search in (FGSM(), RFGSM())
    )
    assert rat.retraction == Retraction(beta=0.004, row_fraction=0.3, row_threshold=200)
    assert SGR().examples is None
    assert TRADES().trades == 6.0


LOGGED = {
    "plain": (Hardening(), set()),
    "adversarial": (Adversarial(), set()),
    "sgr": (SGR(gradient_sparsity=0.1), {"gradient penalty", "unchanged"}),
    "sgr and adversarial": (SGR(examples=Attacked()), {"gradient penalty", "unchanged"}),
    "trades": (TRADES(), {"divergence", "attacked accuracy"}),
    "row sums": (Adversarial(row_sums=0.1), {"row sums"}),
}


@pytest.mark.parametrize(("hardening", "logged"), LOGGED.values(), ids=LOGGED)
def test_losses_are_combined(hardening: Hardening, logged: set[str], spiking: TrainRun) -> None:
    config = hardened(spiking, hardening)
    torch.manual_seed(0)
    model, batch = config.network.build(), (torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]))
    value, numbers = training_loss(config, torch.device("cpu"))(model, batch, generator(0))
    assert torch.isfinite(value)
    assert set(numbers) == {"loss", "accuracy", *logged}


def test_without_attacks_the_passes_of_the_network_are_the_same() -> None:
    loss, view = rate_cross_entropy(timesteps=2), View(timesteps=2)
    torch.manual_seed(0)
    model = Network(architecture="cifar_cnn", neurons=NEURONS).build()
    batch = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    for hardening, passes in ((TRADES(), 2), (SGR(examples=Attacked()), 2), (Adversarial(), 1)):
        calls.clear()
        hardening.loss_of(loss, view, attacks=False)(model, batch, generator(0))
        assert len(calls) == passes + isinstance(hardening, TRADES)  # and the answers that TRADES keeps to


def test_hooks_are_what_was_asked_for() -> None:
    network = Network(architecture="cifar_cnn", neurons=NEURONS).build()
    image = torch.rand(1, 3, 32, 32)
    assert Hardening().hooks(network, image, 2) == []
    assert RAT().hooks(network, image, 2) == [Retraction()]
    (limit,) = Hardening(norm_limit=1.5).hooks(network, image, 2)
    assert isinstance(limit, NormLimit)
    assert limit.shapes["module.features.0"] == (3, 32, 32)
    assert limit.shapes["module.classifier"] == (1024,)
    assert Hardening().hooks(wide_resnet16_convex(), image, 2) == [keep_convex]


def test_watched_images_are_not_trained_on(spiking: TrainRun) -> None:
    config = hardened(spiking, Adversarial(watch=WATCH))
    folder, report = ran(config)
    assert load_network(folder.path).description["about"]["train_images"] == 16 - 5
    (row,) = [row for row in folder.metrics() if "seconds" in row]
    assert 0 <= row["attacked_accuracy"] <= row["held_out_accuracy"] <= 1
    assert (
        "After every epoch 5 images apart from the training are attacked; the run has the last epoch's."
        in report.notes[-1]
    )


def test_the_epoch_that_bears_the_attack_best_is_chosen(spiking: TrainRun) -> None:
    chosen = replace(WATCH, choose=True, attack=replace(WATCH.attack, budget=Linf(eps=0.0)))
    config = hardened(spiking, Adversarial(watch=chosen))
    folder, report = ran(replace(config, fit=replace(config.fit, epochs=3)))
    best, about = load(folder.path / "best.safetensors")
    weights, _ = load(folder.path / "model.safetensors")
    assert all(torch.equal(weights[name], value) for name, value in best.items())
    assert about["value"] == max(row["attacked_accuracy"] for row in folder.metrics() if "attacked_accuracy" in row)
    assert "the run has the epoch's that bears it best" in report.notes[-1]


def test_a_stopped_run_goes_on_to_the_same_bits(spiking: TrainRun) -> None:
    config = hardened(spiking, replace(RAT(retraction=Retraction(beta=0.05, row_threshold=10)), watch=WATCH))
    whole, _ = ran(config, "whole")
    stopped, report = ran(replace(config, minutes=0.0), "stopped")
    assert report is None
    assert run_training(config, stopped) is not None
    a, b = (load(folder.path / "model.safetensors")[0] for folder in (whole, stopped))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"gradient_sparsity": -1.0}, r"Hardening\.gradient_sparsity: got -1\.0; expected a finite number of at lea"),
        ({"row_sums": float("nan")}, r"Hardening\.row_sums: got nan; expected a finite number"),
        ({"gradient_step": 0.0}, r"Hardening\.gradient_step: got 0\.0; expected a finite number above 0"),
        ({"trades": 6.0}, r"Hardening\.trades: got trades without examples; expected examples, and no penalty"),
        (
            {"trades": 6.0, "examples": Attacked(search=PGD()), "gradient_sparsity": 0.1},
            r"got trades beside gradient_sparsity",
        ),
        ({"norm_limit": 1.0, "retraction": Retraction()}, r"Hardening: got retraction and norm_limit; expected one of"),
    ],
)
def test_what_does_not_go_together_is_refused(numbers: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Hardening(**numbers)


def test_a_run_that_cannot_be_hardened_so_is_refused(spiking: TrainRun) -> None:
    with pytest.raises(ArgumentError, match=r"TrainRun: got hardening for a network without neurons; .*--network\.neu"):
        TrainRun(hardening=Adversarial())
    with pytest.raises(
        ArgumentError, match=r"got weight decay 0\.0005 beside a retraction; .*--fit\.optimizer\.weight"
    ):
        replace(spiking, hardening=RAT())
    assert replace(spiking, hardening=RAT(retraction=Retraction(beta=0.0)))
    with pytest.raises(ArgumentError, match=r"TrainRun: got pruning beside a retraction"):
        hardened(spiking, RAT(), over_time=OverTime(pruning="magnitude", pruned=0.5))
    with pytest.raises(ConfigError, match=r"--hardening\.watch\.images: got 200 of 16 training images; expected fewer"):
        ran(hardened(spiking, Adversarial()))
    with pytest.raises(ArgumentError, match=r"Watch\.images: got 0; expected a whole number of at least 1"):
        Watch(images=0)


def test_the_memory_of_a_step_does_not_count_the_attack(spiking: TrainRun, tmp_path: Path) -> None:
    found = []
    for hardening in (Hardening(watch=None), Adversarial(watch=None), SGR(watch=None)):
        ran(hardened(spiking, hardening), type(hardening).__name__, begin=lambda estimate: found.append(estimate.saved))
    plain, adversarial, sparse = found
    assert plain == adversarial
    assert sparse > 1.5 * plain

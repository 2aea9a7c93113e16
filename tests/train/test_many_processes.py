"""Training and judging in two processes: the numbers of one process, to rounding; and what ends a group."""

from __future__ import annotations

import copy
import os
import signal
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from spikewright.convert import OPI, convert
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.data import Batches, Compose, HorizontalFlip, ImageDataset, RandomCrop
from spikewright.models.checkpoint import load
from spikewright.neurons import IF
from spikewright.train import (
    MAE,
    SGD,
    AdamW,
    FitConfig,
    Loss,
    accuracy,
    accuracy_over_time,
    cross_entropy,
    fit,
    mean_metric,
    metric_over_time,
)
from spikewright.train.batch_norm import shared_batch_norm, shared_moments

from ..conftest import Group


def images(n: int, seed: int) -> ImageDataset:
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    x = torch.randint(0, 120, (n, 3, 6, 6), generator=g) + 60 * labels.view(-1, 1, 1, 1)
    return ImageDataset(x.to(torch.uint8), labels, ("a", "b", "c"))


TRAIN, TEST = images(26, 0), images(17, 1)


def network(*, norm: bool = True, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(5)
    first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *([nn.BatchNorm2d(4)] if norm else []), nn.ReLU())
    second = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), *([nn.BatchNorm1d(8)] if norm else []), nn.ReLU())
    return nn.Sequential(first, second, nn.Dropout(dropout), nn.Linear(8, 3)).double()


def batches(data: ImageDataset, size: int, fabric=None, *, seed: int | None = None, augment=None) -> Batches:
    rank, world = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)
    return Doubled(data, size, seed=seed, augment=augment, rank=rank, world_size=world)


class Doubled(Batches):
    """In float64, so that rounding is far below what a wrong average would change."""

    def iterate(self, epoch: int, start: int = 0):
        return ((x.double(), y) for x, y in super().iterate(epoch, start))


CONFIG = FitConfig(epochs=2, optimizer=SGD(lr=0.1), warmup_epochs=0.5, clip_norm=1.0, ema_decay=0.5)


def trained(fabric=None, *, config: FitConfig = CONFIG, norm: bool = True, folder: Path | None = None, **arguments):
    """Weights and history; the last of four batches holds 2 images, so its shares are smaller."""
    model = network(norm=norm)
    augment = Compose((RandomCrop(1), HorizontalFlip()))
    train = batches(TRAIN, 8, fabric, seed=3, augment=augment)
    history = fit(
        model, cross_entropy(), train, batches(TEST, 8, fabric), config, folder=folder, fabric=fabric, **arguments
    )
    return model.state_dict(), [{name: row[name] for name in row if name != "seconds"} for row in history]


def assert_close(found, expected) -> None:
    (weights, history), (wanted, rows) = found, expected
    assert weights.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(weights[name], value, rtol=1e-7, atol=1e-10), name
    for row, other in zip(history, rows, strict=True):
        assert row == pytest.approx(other, rel=1e-6)  # the accuracy of a part is a float32


CASES = {
    "SGD": {},
    "without batch norm": {"norm": False},
    "AdamW, in three parts": {"config": replace(CONFIG, optimizer=AdamW(lr=0.01), accumulate=3), "norm": False},
}


def test_a_group_trains_as_one_process(group: Group) -> None:
    """The same weights, averages of weights, statistics of batch norms, losses and accuracies, in both processes."""
    found = group(lambda fabric: {name: trained(fabric, **case) for name, case in CASES.items()})
    for name, case in CASES.items():
        expected = trained(**case)
        assert_close(found[0][name], expected)
        assert_close(found[1][name], found[0][name])


def test_three_processes_with_unequal_last_shares(group: Group) -> None:
    """23 images in batches of 9: the last one gives 2, 2 and 1 images; each counts alike."""

    def run(fabric=None):
        rank, world = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)
        model, data = network(), Doubled(TRAIN.subset(23), 9, seed=1, rank=rank, world_size=world)
        history = fit(model, cross_entropy(), data, None, replace(CONFIG, epochs=1), fabric=fabric)
        return model.state_dict(), [{name: row[name] for name in row if name != "seconds"} for row in history]

    expected = run()
    for found in group(run, 3):
        assert_close(found, expected)


def test_a_stopped_group_goes_on_to_the_same_bits(group: Group, tmp_path: Path) -> None:
    """Dropout of both processes included, whose random states are in the checkpoint; only the first one logs."""
    config = replace(CONFIG, checkpoint_steps=1)

    def run(fabric, folder: Path, minutes: float):
        model, logged = network(dropout=0.5), []
        torch.manual_seed(7 + fabric.global_rank)
        train = batches(TRAIN, 8, fabric, seed=3)
        fit(
            *(model, cross_entropy(), train, None, config),
            folder=folder,
            fabric=fabric,
            minutes=minutes,
            log=lambda **n: logged.append(n),
        )
        return model.state_dict(), len(logged)

    def both(fabric):
        whole = run(fabric, tmp_path / "whole", float("inf"))
        for _ in range(9):
            parts = run(fabric, tmp_path / "parts", 0.0)
        return whole, parts, torch.get_rng_state()

    (first, parts, random), (second, other, apart) = group(both)
    for (weights, _), (wanted, _) in ((parts, first), (second, first), (other, first)):
        assert all(torch.equal(weights[name], wanted[name]) for name in wanted)
    assert (first[1], second[1]) == (2, 0)
    assert not torch.equal(random, apart)
    assert {"random", "random.1"} <= load(tmp_path / "whole" / "checkpoint.safetensors")[0].keys()


def test_a_group_judges_as_one_process(group: Group) -> None:
    """17 images in batches of 8: the last batch has one, for the first process alone; it counts once."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 3))
    conversion = convert(net, OPI(), torch.rand(1000, 3, 6, 6, generator=torch.Generator().manual_seed(2)))

    def run(fabric=None):
        rank, world = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)
        data = Batches(TEST, 8, rank=rank, world_size=world)
        pairs = [(x, x.mean((1, 2, 3), keepdim=True).expand(-1, 3, 6, 6)) for x, _ in data]
        values = nn.AvgPool2d(3, 1, 1)
        over_time = accuracy_over_time(conversion.model, data, 4, source=conversion.source, fabric=fabric)
        metric = metric_over_time(Spiking(IF()), pairs, 3, MAE, source=values, fabric=fabric)
        numbers = (*metric.values, *metric.deviation, mean_metric(values, pairs, MAE, fabric=fabric))
        return accuracy(net, data, fabric=fabric), over_time, numbers

    expected = run()
    assert expected[1].samples == 17
    for found in group(run):
        assert found[:2] == expected[:2]
        assert found[2] == pytest.approx(expected[2], rel=1e-6)


# batch norm


def test_batch_norm_over_processes(group: Group) -> None:
    """Outputs, gradients of input and parameters and running statistics, with 3 and 1 samples, against torch's own."""
    x = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def norms(momentum: float | None) -> nn.Module:
        made = nn.BatchNorm2d(2, momentum=momentum).double()
        made.weight.data, made.bias.data = torch.tensor([2.0, -0.5]).double(), torch.tensor([0.1, 3.0]).double()
        return made

    def run(fabric=None, momentum: float | None = 0.3):
        norm = norms(momentum)
        own = x if fabric is None else (x[:3], x[3:])[fabric.global_rank]
        own = own.clone().requires_grad_()
        for _ in range(2):
            y = norm(own) if fabric is None else _shared(norm, own, fabric)
        (y.sin() * (1 + own.detach())).sum().backward()
        state = {name: value.clone() for name, value in norm.state_dict().items()}
        return y.detach(), own.grad, norm.weight.grad, norm.bias.grad, state, type(norm).__name__

    def _shared(norm: nn.Module, own: torch.Tensor, fabric):
        with shared_batch_norm(norm, fabric):
            return norm(own)

    for momentum in (0.3, None):
        first, second = group(lambda fabric, m=momentum: run(fabric, m))
        expected = run(momentum=momentum)
        assert torch.allclose(torch.cat((first[0], second[0])), expected[0])
        assert torch.allclose(torch.cat((first[1], second[1])), expected[1])
        for place in (2, 3):
            assert torch.allclose(first[place] + second[place], expected[place])
        for name, value in expected[4].items():
            assert torch.allclose(first[4][name], value), name
            assert torch.equal(first[4][name], second[4][name]), name
        assert first[5] == "BatchNorm2d"


def test_shared_moments_by_hand() -> None:
    """Values 0, 2 and 1, 5 of two channels: means 1 and 3, variances 1 and 4."""
    count, mean, variance = shared_moments(torch.tensor([[0.0, 1.0], [2.0, 5.0]]), None)
    assert (count.item(), mean.tolist(), variance.tolist()) == (2, [1, 3], [1, 4])


# what is refused, and what ends a group


def test_a_loss_that_is_not_finite_anywhere_ends_all(group: Group) -> None:
    def run(fabric):
        model = network(norm=False)
        before = copy.deepcopy(model.state_dict())
        x = torch.full((2, 3, 6, 6), float("nan") if fabric.global_rank else 0.5).double()
        try:
            fit(model, cross_entropy_without_check(), [(x, torch.tensor([0, 1]))], None, CONFIG, fabric=fabric)
        except Exception as error:
            return str(error), all(torch.equal(before[n], v) for n, v in model.state_dict().items())
        return None

    for text, untouched in group(run):
        assert text.startswith("fit: the loss became nan in epoch 0, batch 0; expected a finite number")
        assert untouched


def cross_entropy_without_check():
    return Loss(lambda net, batch, g: (nn.functional.cross_entropy(net(batch[0]), batch[1]), {}))


def test_shares_of_another_process_are_refused() -> None:
    wrong = Batches(TRAIN, 8, seed=0, rank=1, world_size=2)
    with pytest.raises(ArgumentError, match=r"got shares of process 1 of 2 in process 0 of 1; expected this process's"):
        fit(network(), cross_entropy(), wrong, None, CONFIG)


def test_a_parameter_without_gradient_is_named(group: Group) -> None:
    def run(fabric):
        model = network(norm=False)
        model.register_parameter("idle", nn.Parameter(torch.zeros(1).double()))
        fit(model, cross_entropy(), batches(TRAIN, 8, fabric, seed=0), None, CONFIG, fabric=fabric)

    for text in group(run):
        assert text.startswith("ArgumentError: fit: got parameters on which the loss does not depend")


def test_a_killed_process_ends_the_others_at_once(group: Group, tmp_path: Path) -> None:
    """One of two is killed after its fifth update; the other says so and ends, and a new group goes on to the end."""
    config = replace(CONFIG, checkpoint_steps=1)

    def run(fabric, dies: bool):
        seen = []

        def after(model, lr) -> None:
            seen.append(lr)
            if dies and len(seen) == 5 and fabric.global_rank:
                os.kill(os.getpid(), signal.SIGKILL)

        return trained(fabric, config=config, folder=tmp_path / "run", after_step=after)

    began = time.monotonic()
    first, second = group(lambda fabric: run(fabric, True), wait=False)
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (1, -signal.SIGKILL)
    assert time.monotonic() - began < 60
    text = torch.load(tmp_path / "group-0" / "0", weights_only=False)
    assert text.startswith("ProcessError: fit: another of the 2 processes has ended or does not answer")
    assert text.endswith("then go on from the last checkpoint.")
    assert_close(group(lambda fabric: run(fabric, False))[1], trained(config=config))


def test_checkpoints_that_only_some_see(group: Group, tmp_path: Path) -> None:
    def run(fabric):
        folder = tmp_path / f"run-{fabric.global_rank}"
        if not fabric.global_rank:
            folder.mkdir()
            (folder / "checkpoint.safetensors").touch()
        trained(fabric, folder=folder)

    for text in group(run):
        assert "only 1 of 2 processes see it; expected all of them" in text


def test_augmentation_differs_between_images() -> None:
    """What makes the comparisons above mean something: neighbours in a batch are changed differently."""
    x, _ = next(iter(batches(TRAIN, 8, seed=3, augment=RandomCrop(1)).iterate(0)))
    assert any(not torch.equal(a, b) for a, b in pairwise(x))

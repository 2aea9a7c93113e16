"""fit() on a DataLoader and on a list: the order follows from seed and epoch, and a killed run ends like a whole one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    TensorDataset,
    WeightedRandomSampler,
)

from spikewright.core.errors import ArgumentError, DataError
from spikewright.models.checkpoint import load
from spikewright.train import SGD, FitConfig, Loss, accuracy, cross_entropy, fit
from spikewright.train.loader import epoch_batches

CONFIG = FitConfig(epochs=3, optimizer=SGD(lr=0.1), checkpoint_steps=4, ema_decay=0.5)


def images(n: int, seed: int) -> TensorDataset:
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    return TensorDataset(torch.rand(n, 1, 4, 4, generator=g) + labels.view(-1, 1, 1, 1) / 4, labels)


TRAIN, TEST = images(44, 0), images(20, 1)


class Noisy(Dataset):
    """Draws from torch's generator for every image, as random crops and flips do."""

    def __len__(self) -> int:
        return len(TRAIN)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        x, y = TRAIN[place]
        return x + 0.1 * torch.rand(x.shape), y


def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(64, 4)),
    )


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


LOADERS = {
    "shuffled": lambda: DataLoader(TRAIN, 8, shuffle=True),
    "shuffled, a generator of its own": lambda: DataLoader(
        TRAIN, 8, shuffle=True, generator=torch.Generator().manual_seed(int(torch.randint(9**9, ())))
    ),
    "in order": lambda: DataLoader(TRAIN, 8),
    "weighted": lambda: DataLoader(TRAIN, 8, sampler=WeightedRandomSampler(torch.linspace(0.1, 1, 44).tolist(), 44)),
    "augmented in this process": lambda: DataLoader(Noisy(), 8, shuffle=True),
    "augmented by a worker": lambda: DataLoader(Noisy(), 8, shuffle=True, num_workers=1),
    "batch sampler": lambda: DataLoader(TRAIN, batch_sampler=BatchSampler(RandomSampler(TRAIN), 8, drop_last=True)),
    "distributed": lambda: DataLoader(
        TRAIN, 4, sampler=DistributedSampler(TRAIN, num_replicas=2, rank=1, shuffle=True, seed=3)
    ),
}


class Killed(Exception):
    """The process dies here."""


# resuming


@pytest.mark.parametrize("update", [2, 6, 9, 15])
@pytest.mark.parametrize("name", ["shuffled", "augmented in this process", "distributed"])
def test_a_killed_run_ends_like_a_whole_one(tmp_path: Path, name: str, update: int) -> None:
    """Killed in the first epoch before any checkpoint (2), right after one epoch (6), and inside later ones."""
    eval_loader = DataLoader(TEST, 7, shuffle=True)
    expected = network()
    torch.manual_seed(11)
    history = fit(expected, cross_entropy(), LOADERS[name](), eval_loader, CONFIG)
    done: list[float] = []

    def die(model: nn.Module, lr: float) -> None:
        done.append(lr)
        if len(done) == update:
            raise Killed

    model = network()
    torch.manual_seed(11)
    with pytest.raises(Killed):
        fit(model, cross_entropy(), LOADERS[name](), eval_loader, CONFIG, folder=tmp_path, after_step=die)
    torch.manual_seed(11 if update == 2 else 999)  # another process has other random numbers
    resumed = network()
    torch.manual_seed(11 if update == 2 else 999)
    again = fit(resumed, cross_entropy(), LOADERS[name](), DataLoader(TEST, 7, shuffle=True), CONFIG, folder=tmp_path)
    assert numbers(again) == numbers(history)
    assert same(resumed, expected)


@pytest.mark.parametrize("name", [*LOADERS, "list"])
def test_stopped_after_every_update(tmp_path: Path, name: str) -> None:
    """One real process after another, as far as random numbers go: each makes a new loader and does one update."""

    def data() -> Any:
        return list(DataLoader(TRAIN, 8)) if name == "list" else LOADERS[name]()

    config = replace(CONFIG, epochs=2)
    expected, resumed, batches, judged = network(), network(), data(), list(DataLoader(TEST, 7))
    torch.manual_seed(11)
    history = fit(expected, cross_entropy(), batches, judged, config)
    for process in range(2 * len(batches)):
        batches = data()
        torch.manual_seed(11 if process == 0 else 1000 + process)
        fit(resumed, cross_entropy(), batches, judged, config, folder=tmp_path, minutes=0)
    assert load(tmp_path / "checkpoint.safetensors")[1]["progress"]["batch"] == len(batches)
    again = fit(resumed, cross_entropy(), data(), judged, config, folder=tmp_path)
    assert numbers(again) == numbers(history)
    assert same(resumed, expected)


def test_it_learns_and_is_judged_on_all_samples() -> None:
    model = network()
    config = FitConfig(epochs=25, optimizer=SGD(lr=0.1))
    history = fit(model, cross_entropy(), DataLoader(TRAIN, 8, shuffle=True), DataLoader(TEST, 7), config)
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert history[-1]["eval_accuracy"] == accuracy(model, DataLoader(TEST, 20)) > 0.5


# order


def order(data: Any, epoch: int, seed: int = 0, start: int = 0) -> list[list[int]]:
    """Which images each batch holds, read off the first pixel."""
    places = {float(TRAIN[place][0][0, 0, 0]): place for place in range(len(TRAIN))}
    batches = epoch_batches(data, seed, "data").iterate(epoch, start)
    return [[places[float(image[0, 0, 0])] for image in x] for x, _ in batches]


@pytest.mark.parametrize("name", [name for name in LOADERS if "augmented" not in name])
def test_the_order_follows_from_seed_and_epoch(name: str) -> None:
    loader = LOADERS[name]()
    first, second = order(loader, 0), order(loader, 1)
    torch.rand(1)
    other = LOADERS[name]()
    assert order(other, 1) == second
    assert order(other, 0) == first
    assert order(other, 1, start=2) == second[2:]
    assert order(other, 1, start=len(loader)) == []
    assert (first == second) == (name == "in order")
    assert (order(other, 0, seed=1) == first) == (name in ("in order", "distributed"))
    for batches in (first, second):
        if name != "weighted":
            assert len({place for batch in batches for place in batch}) == sum(map(len, batches))


def test_nothing_is_drawn_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    order(DataLoader(TRAIN, 8, shuffle=True), 0, start=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_data_set_that_makes_its_own_batches() -> None:
    whole = TensorDataset(torch.arange(12.0).view(4, 3, 1), torch.zeros(4, 3))
    batches = epoch_batches(DataLoader(whole, batch_size=None, shuffle=True), 0, "data")
    seen = [int(x[0]) for x, _ in batches.iterate(0)]
    assert sorted(seen) == [0, 3, 6, 9]
    assert [int(x[0]) for x, _ in batches.iterate(0, 1)] == seen[1:]


def test_a_list_keeps_its_order() -> None:
    batches = epoch_batches([[torch.full((2, 1), float(n)), torch.zeros(2)] for n in range(3)], 0, "data")  # pyright: ignore[reportArgumentType]
    assert len(batches) == 3
    for epoch in (0, 1):
        assert [int(x[0]) for x, _ in batches.iterate(epoch, 1)] == [1, 2]


# refusals


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        return iter(TRAIN)  # pyright: ignore[reportArgumentType]


class Endless(Sampler[int]):
    """A sampler that does not say how long it is."""

    def __init__(self) -> None:
        pass

    def __iter__(self) -> Iterator[int]:
        return iter(range(44))


class Unseeded(Endless):
    """A sampler that draws from the global generator."""

    def __len__(self) -> int:
        return 44

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(44).tolist())


X, Y = torch.zeros(8, 1, 4, 4), torch.zeros(8, dtype=torch.int64)
EXPECTED = r"expected Batches, a torch DataLoader, or a list of \(x, y\) batches"


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (lambda: iter([(X, Y)]), ArgumentError, rf"list_iterator, an iterator, .* only once; {EXPECTED}\. Make a list"),
        (lambda: (batch for batch in [(X, Y)]), ArgumentError, "got generator, an iterator"),
        (lambda: X, ArgumentError, rf"got Tensor; {EXPECTED}\. Give anything else the methods __len__ and iterate"),
        (lambda: TRAIN, ArgumentError, rf"got TensorDataset; {EXPECTED}"),
        (lambda: "train", ArgumentError, rf"got str; {EXPECTED}"),
        (lambda: DataLoader(Stream(), 8), ArgumentError, "got a DataLoader of Stream, an IterableDataset, whose order"),
        (
            lambda: DataLoader(TRAIN, 8, sampler=Endless()),
            ArgumentError,
            r"got a DataLoader without a length \(.*Endle",
        ),
        (
            lambda: DataLoader(TRAIN, 8, sampler=Unseeded()),
            ArgumentError,
            r"sampler: got BatchSampler, Unseeded, whose",
        ),
        (lambda: (X, Y), DataError, r", batch 0: got Tensor; expected a pair \(x, y\).* write \[\(x, y\)\]"),
        (lambda: [(X, Y), (X,)], DataError, ", batch 1: got tuple of Tensor; expected a pair"),
        (lambda: [(X, Y), (X, Y, Y)], DataError, ", batch 1: got tuple of Tensor, Tensor, Tensor; expected a pair"),
        (lambda: [{"x": X, "y": Y}], DataError, ", batch 0: got dict; expected a pair"),
    ],
)
@pytest.mark.parametrize("place", ["train_batches", "eval_batches"])
def test_refused_before_the_first_update(place: str, data: Any, error: type[Exception], text: str) -> None:
    def never(model: nn.Module, batch: Any, generator: torch.Generator) -> Any:
        pytest.fail("a batch was trained on")

    given: dict[str, Any] = {"train_batches": [(X, Y)], "eval_batches": [(X, Y)]} | {place: data()}
    with pytest.raises(error, match=rf"fit\.{place}.*{text}"):
        fit(network(), Loss(never), given["train_batches"], given["eval_batches"], CONFIG)


def test_a_loader_of_images_alone_is_refused_at_its_first_batch() -> None:
    with pytest.raises(DataError, match=r"fit\.train_batches, batch 0: got list of Tensor; expected a pair \(x, y\)"):
        fit(network(), cross_entropy(), DataLoader(TensorDataset(X), 8), None, CONFIG)


def test_an_empty_list_is_no_training_data() -> None:
    with pytest.raises(DataError, match="fit: got no training batch; expected at least one"):
        fit(network(), cross_entropy(), [], None, CONFIG)

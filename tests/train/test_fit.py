"""fit(): learns, resumes to the same bits, averages weights, warms up, and refuses what it must."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spikewright.core.errors import ArgumentError, CheckpointError, DataError
from spikewright.data import Batches, ImageDataset
from spikewright.models.checkpoint import load, save
from spikewright.train import SGD, AdamW, FitConfig, Loss, accuracy, cross_entropy, fit, load_model
from spikewright.train.launch import launched
from spikewright.train.optim import cosine


def images(n: int, seed: int) -> ImageDataset:
    """4x4 images whose class is the brightest quarter."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    x = torch.randint(0, 150, (n, 1, 4, 4), generator=g)
    for place, label in enumerate(labels.tolist()):
        row, column = 2 * (label // 2), 2 * (label % 2)
        x[place, 0, row : row + 2, column : column + 2] += 90
    return ImageDataset(x.to(torch.uint8), labels, ("a", "b", "c", "d"))


def noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + 0.1 * torch.rand(x.shape, generator=generator)


TRAIN, TEST = images(56, 0), images(40, 1)


def batches() -> Batches:
    """Seven batches of eight, shuffled and augmented."""
    return Batches(TRAIN, 8, seed=3, augment=noise)


def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(64, 4)),
    )


def noisy(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator):
    """A loss that draws from its own generator."""
    x, y = batch
    return cross_entropy()(model, (x + 0.05 * torch.randn(x.shape, generator=generator), y), generator)


LOSS = Loss(noisy)
PLAIN = FitConfig(epochs=3, optimizer=SGD(lr=0.1), checkpoint_steps=4)
CONFIGS = {
    "SGD": PLAIN,
    "AdamW": replace(PLAIN, optimizer=AdamW(lr=0.01)),
    "SGD without momentum": replace(PLAIN, optimizer=SGD(lr=0.1, momentum=0.0)),
    "SGD, everything": replace(PLAIN, warmup_epochs=1.0, clip_norm=0.5, ema_decay=0.8),
    "AdamW, everything": replace(PLAIN, optimizer=AdamW(lr=0.01), warmup_epochs=0.5, clip_norm=0.1, ema_decay=0.9),
}


class Killed(Exception):
    """The process dies here."""


def run(config: FitConfig, folder: Path | None = None, model: nn.Module | None = None, **arguments):
    """Train a network; returns it and the history without the times."""
    model = network() if model is None else model
    torch.manual_seed(11)  # what dropout draws from
    history = fit(model, LOSS, batches(), Batches(TEST, 16), config, folder=folder, **arguments)
    return model, [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict]:
    tensors, description = load(folder / "checkpoint.safetensors")
    for row in description["progress"]["history"]:
        del row["seconds"]
    del description["progress"]["seconds"]
    return tensors, description


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# learning


def test_it_learns(tmp_path: Path) -> None:
    config = FitConfig(epochs=12, optimizer=SGD(lr=0.1), warmup_epochs=1.0)
    model, history = run(config)
    assert [row["epoch"] for row in history] == list(range(1, 13))
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert history[-1]["eval_accuracy"] > 0.9
    assert accuracy(model, Batches(TEST, 7)) == history[-1]["eval_accuracy"]
    assert not model.training or model[1].running_mean.abs().sum() > 0


def test_two_runs_are_the_same_run() -> None:
    (first, history), (second, again) = run(PLAIN), run(PLAIN)
    assert history == again
    assert same(first.state_dict(), second.state_dict())
    other, _ = run(replace(PLAIN, seed=43))
    assert not same(first.state_dict(), other.state_dict())


def test_without_evaluation() -> None:
    history = fit(network(), LOSS, batches(), None, replace(PLAIN, epochs=1))
    assert list(history[0]) == ["epoch", "lr", "loss", "accuracy", "seconds"]


def test_a_network_is_trained_in_train_and_judged_in_eval() -> None:
    modes = []

    class Watch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            modes.append(self.training)
            return x

    model = nn.Sequential(Watch(), nn.Flatten(), nn.Linear(16, 4)).eval()
    fit(model, LOSS, batches(), Batches(TEST, 20), replace(PLAIN, epochs=2))
    assert modes == [*[True] * 7, False, False] * 2


def test_history_holds_the_means_over_the_epoch() -> None:
    seen = []

    def counting(model: nn.Module, batch, generator):
        value, _ = cross_entropy()(model, batch, generator)
        seen.append(float(len(seen)))
        return value, {"number": torch.tensor(seen[-1])}

    history = fit(network(), Loss(counting), batches(), None, replace(PLAIN, epochs=2))
    assert [row["number"] for row in history] == [3.0, 10.0]


# the schedule


def test_learning_rates_by_hand() -> None:
    """Seven batches an epoch, one epoch of warm-up, 21 updates."""
    rates: list[float] = []
    config = replace(PLAIN, optimizer=SGD(lr=0.4), warmup_epochs=1.0)
    _, history = run(config, after_step=lambda model, lr: rates.append(lr))
    assert rates[:7] == pytest.approx([0.4 * (step + 1) / 8 for step in range(7)])
    assert rates[7:] == pytest.approx([0.2 * (1 + math.cos(math.pi * step / 14)) for step in range(14)])
    assert [row["lr"] for row in history] == [rates[6], rates[13], rates[20]]


def test_the_optimiser_uses_them() -> None:
    """Plain SGD on a constant gradient moves a weight by the sum of the learning rates."""

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

    model = One()
    config = FitConfig(epochs=2, optimizer=SGD(lr=0.3, momentum=0.0, weight_decay=0.0), warmup_epochs=0.5)
    fit(model, Loss(lambda net, batch, generator: (-model.weight, {})), batches(), None, config)
    expected = sum(0.3 * cosine(step, 14, warmup=round(0.5 * 7)) for step in range(14))
    assert model.weight.item() == pytest.approx(expected, rel=1e-12)


def test_clipping_bounds_the_gradient() -> None:
    norms: list[float] = []

    def look(model: nn.Module, lr: float) -> None:
        parts = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
        norms.append(torch.stack(parts).norm().item())

    run(PLAIN, after_step=look)
    free = list(norms)
    norms.clear()
    run(replace(PLAIN, clip_norm=0.05), after_step=look)
    assert max(free) > 0.05
    assert max(norms) <= 0.05 * (1 + 1e-5)


# average of the weights


def test_moving_average_by_hand_is_judged_and_returned() -> None:
    """The average follows w + (1 - d)(new - w); evaluation and the returned weights use it, training does not."""
    weights: list[Tensor] = []
    first = network()
    config = replace(PLAIN, epochs=2, ema_decay=0.75)
    model, history = run(config, model=first, after_step=lambda net, lr: weights.append(net[5].weight.detach().clone()))
    mean = network()[5].weight.detach()
    judged = []
    for step, weight in enumerate(weights):
        mean = mean + 0.25 * (weight - mean)
        if step == 6:
            judged.append(mean)
    assert torch.allclose(model[5].weight, mean, atol=1e-6)
    assert not torch.allclose(model[5].weight, weights[-1], atol=1e-4)
    assert history[-1]["eval_accuracy"] == accuracy(model, Batches(TEST, 16))
    plain, _ = run(replace(config, ema_decay=0.0))
    assert torch.equal(plain[5].weight, weights[-1])  # the average does not touch the training
    assert model[1].num_batches_tracked.item() == 14


# resuming


def assert_resumed(config: FitConfig, folder: Path, stop: Callable[[], None]) -> None:
    """After `stop` has left a checkpoint in the folder, the run goes on to the result of an uninterrupted one."""
    expected, history = run(config, folder.with_name("whole"))
    stop()
    torch.manual_seed(999)  # another process has other random numbers
    other = network()
    for parameter in other.parameters():
        parameter.data.zero_()
    fit(other, LOSS, batches(), Batches(TEST, 16), config, folder=folder)
    resumed = [{name: value for name, value in row.items() if name != "seconds"} for row in fit_again(config, folder)]
    assert resumed == history
    assert same(other.state_dict(), expected.state_dict())
    (tensors, description), (whole, described) = checkpoint(folder), checkpoint(folder.with_name("whole"))
    assert same(tensors, whole)
    assert description == described


def fit_again(config: FitConfig, folder: Path) -> list[dict[str, float]]:
    """A run that is finished trains nothing and tells its history."""
    return fit(
        network(), LOSS, batches(), None, config, folder=folder, after_step=lambda model, lr: pytest.fail("trained")
    )


@pytest.mark.parametrize("update", [6, 7, 9, 14, 17, 21])
@pytest.mark.parametrize("name", ["SGD, everything", "AdamW, everything"])
def test_killed_after_an_update(tmp_path: Path, name: str, update: int) -> None:
    """Between two checkpoints (6, 9, 17), and in the last batch of an epoch (7, 14, 21): the updates since are lost."""
    config, folder = CONFIGS[name], tmp_path / "killed"
    done = []

    def die(model: nn.Module, lr: float) -> None:
        done.append(lr)
        if len(done) == update:
            raise Killed

    def stop() -> None:
        with pytest.raises(Killed):
            run(config, folder, after_step=die)
        progress = load(folder / "checkpoint.safetensors")[1]["progress"]
        assert 7 * progress["epoch"] + progress["batch"] < update

    assert_resumed(config, folder, stop)


@pytest.mark.parametrize("update", [4, 7, 11])
def test_killed_right_after_a_checkpoint(tmp_path: Path, update: int) -> None:
    """Inside an epoch (4, 11) and between two (7): the next update never begins."""
    config, folder, begun = CONFIGS["SGD, everything"], tmp_path / "killed", []

    def dying(model: nn.Module, batch, generator):
        begun.append(1)
        if len(begun) > update:
            raise Killed
        return noisy(model, batch, generator)

    def stop() -> None:
        model = network()
        torch.manual_seed(11)
        with pytest.raises(Killed):
            fit(model, Loss(dying), batches(), Batches(TEST, 16), config, folder=folder)
        progress = load(folder / "checkpoint.safetensors")[1]["progress"]
        assert 7 * progress["epoch"] + progress["batch"] == update

    assert_resumed(config, folder, stop)


@pytest.mark.parametrize("name", CONFIGS)
def test_killed_while_it_logs(tmp_path: Path, name: str) -> None:
    """The epoch is judged and its row is written down, but the checkpoint after it is not."""
    config, folder, rows = CONFIGS[name], tmp_path / "killed", []

    def die(**numbers) -> None:
        rows.append(numbers)
        if len(rows) == 2:
            raise Killed

    def stop() -> None:
        with pytest.raises(Killed):
            run(config, folder, log=die)

    assert_resumed(config, folder, stop)


@pytest.mark.parametrize("checkpoint_steps", [1, 7, 100])
def test_killed_while_it_is_judged(tmp_path: Path, checkpoint_steps: int) -> None:
    """With a checkpoint after the last batch of the epoch, or after each, or only between epochs."""
    config, folder = replace(CONFIGS["SGD, everything"], checkpoint_steps=checkpoint_steps), tmp_path / "killed"

    class Dying:
        def __init__(self) -> None:
            self.left = 2

        def __len__(self) -> int:
            return 1

        def iterate(self, epoch: int, start: int = 0):
            self.left -= 1
            if not self.left:
                raise Killed
            yield from Batches(TEST, 16).iterate(0)

    def stop() -> None:
        model = network()
        torch.manual_seed(11)
        with pytest.raises(Killed):
            fit(model, LOSS, batches(), Dying(), config, folder=folder)

    assert_resumed(config, folder, stop)


def test_killed_again_and_again(tmp_path: Path) -> None:
    """Stopped by time after every single update, on one model that goes on and on."""
    config, folder = CONFIGS["AdamW, everything"], tmp_path / "killed"

    def stop() -> None:
        for update in range(1, 21):
            model = network()
            torch.manual_seed(11 if update == 1 else 100 + update)
            history = fit(model, LOSS, batches(), Batches(TEST, 16), config, folder=folder, minutes=0)
            assert len(history) == (update - 1) // 7

    assert_resumed(config, folder, stop)


def test_killed_while_it_writes(tmp_path: Path, monkeypatch) -> None:
    from spikewright.models import checkpoint as module

    config, folder = CONFIGS["SGD, everything"], tmp_path / "killed"
    real, calls = module.save_file, []

    def full(*args) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        real(*args)

    def stop() -> None:
        monkeypatch.setattr(module, "save_file", full)
        with pytest.raises(CheckpointError, match="could not be written"):
            run(config, folder)
        monkeypatch.setattr(module, "save_file", real)
        assert [file.name for file in folder.iterdir()] == ["checkpoint.safetensors"]

    assert_resumed(config, folder, stop)


def test_seconds_add_up(tmp_path: Path) -> None:
    run(PLAIN, tmp_path, minutes=0)
    first = load(tmp_path / "checkpoint.safetensors")[1]["progress"]["seconds"]
    model = network()
    history = fit(model, LOSS, batches(), None, PLAIN, folder=tmp_path)
    assert 0 < first < history[0]["seconds"] < history[-1]["seconds"]


def test_a_checkpoint_serves_as_weights(tmp_path: Path) -> None:
    from spikewright.core.fill import fill

    model, _ = run(CONFIGS["SGD, everything"], tmp_path)
    tensors, _ = load(tmp_path / "checkpoint.safetensors")
    other = network()
    fill(other, {name.removeprefix("ema."): value for name, value in tensors.items() if name[:4] == "ema."}, "ema")
    assert same(other.state_dict(), model.state_dict())


# refusals


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (replace(PLAIN, epochs=4), "epochs"),
        (replace(PLAIN, optimizer=SGD(lr=0.2)), "optimizer"),
        (replace(PLAIN, optimizer=AdamW(lr=0.1)), "optimizer"),
        (replace(PLAIN, seed=1, clip_norm=1.0), "clip_norm and seed"),
        (replace(PLAIN, ema_decay=0.5), "ema_decay"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path, other: FitConfig, name: str) -> None:
    run(PLAIN, tmp_path, minutes=0)
    with pytest.raises(CheckpointError, match=f"was written with another {name}; expected the same config and data"):
        run(other, tmp_path)


def test_the_checkpoint_of_other_data_or_another_network_is_refused(tmp_path: Path) -> None:
    run(PLAIN, tmp_path, minutes=0)
    with pytest.raises(CheckpointError, match="was written with another batches per epoch"):
        fit(network(), LOSS, Batches(TRAIN, 14, seed=3), None, PLAIN, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"does not fit Sequential: .* is not in the model"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), LOSS, batches(), None, PLAIN, folder=tmp_path)


def test_a_checkpoint_of_weights_alone_is_refused(tmp_path: Path) -> None:
    from spikewright.train import save_model

    save_model(tmp_path / "checkpoint.safetensors", network(), {"architecture": "toy"})
    with pytest.raises(CheckpointError, match=r"holds no training state .*Start anew in an empty folder"):
        run(PLAIN, tmp_path)
    assert load_model(tmp_path / "checkpoint.safetensors", network()) == {"architecture": "toy"}


def test_a_checkpoint_without_the_number_of_batches_is_accepted(tmp_path: Path) -> None:
    from spikewright.models.checkpoint import save

    expected, _ = run(PLAIN)
    run(PLAIN, tmp_path, minutes=0)
    tensors, description = load(tmp_path / "checkpoint.safetensors")
    del description["config"]["batches per epoch"]
    save(tmp_path / "checkpoint.safetensors", tensors, json.loads(json.dumps(description)))
    model, _ = run(PLAIN, tmp_path)
    assert same(model.state_dict(), expected.state_dict())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_loss_stops_the_run_before_it_breaks_the_weights(tmp_path: Path, bad: float) -> None:
    steps = []

    def breaking(model: nn.Module, batch, generator):
        value, numbers = cross_entropy()(model, batch, generator)
        steps.append(1)
        return (value * bad if len(steps) == 10 else value), numbers

    model = network()
    with pytest.raises(
        DataError, match=r"fit: the loss became (nan|inf) in epoch 1, batch 2; expected a finite number"
    ):
        fit(model, Loss(breaking), batches(), None, PLAIN, folder=tmp_path)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert load(tmp_path / "checkpoint.safetensors")[1]["progress"]["epoch"] == 1


def test_no_batch() -> None:
    class Nothing:
        def __len__(self) -> int:
            return 0

        def iterate(self, epoch: int, start: int = 0):
            yield from ()

    with pytest.raises(DataError, match="fit: got no training batch; expected at least one"):
        fit(network(), LOSS, Nothing(), None, PLAIN)


def test_labels_that_the_network_does_not_have() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(DataError, match=r"labels: got values .*3; expected 0\.\.2"):
        fit(model, LOSS, batches(), None, PLAIN)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"epochs": 0}, r"FitConfig\.epochs: got 0; expected a whole number of at least 1"),
        ({"ema_decay": 1.0}, r"FitConfig\.ema_decay: got 1\.0; expected a number in 0\.\.1, below 1"),
        ({"ema_decay": -0.1}, r"FitConfig\.ema_decay"),
        ({"seed": -1}, r"FitConfig\.seed: got -1; expected a whole number of at least 0"),
        ({"clip_norm": -1.0}, r"FitConfig: got clip_norm=-1\.0"),
        ({"warmup_epochs": -1.0}, r"FitConfig: got .*warmup_epochs=-1\.0"),
        ({"checkpoint_steps": 0}, r"FitConfig: got .*checkpoint_steps=0"),
    ],
)
def test_config(arguments: dict, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        FitConfig(**arguments)


# parts of batches, and number formats


def without_norm() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)).double()


def in_float64() -> list[tuple[Tensor, Tensor]]:
    """Seven batches of eight, and one of three, which does not fall into equal parts."""
    return [(x.double(), y) for x, y in Batches(TRAIN, 8, seed=3)] + [
        (torch.rand(3, 1, 4, 4).double(), torch.arange(3))
    ]


@pytest.mark.parametrize("accumulate", [2, 3, 8, 100])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(accumulate: int) -> None:
    """Also where parts are unequal; more parts than samples are as many as samples."""
    torch.manual_seed(0)
    data, found = in_float64(), []
    for parts in (1, accumulate):
        model = without_norm()
        history = fit(model, cross_entropy(), data, None, replace(PLAIN, clip_norm=0.5, accumulate=parts))
        found.append((model, history))
    (whole, rows), (parted, others) = found
    for name, value in whole.state_dict().items():
        assert torch.allclose(parted.state_dict()[name], value, rtol=1e-9, atol=1e-12)
    for row, other in zip(rows, others, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=1e-9)
        assert other["accuracy"] == pytest.approx(row["accuracy"], rel=1e-6)


def test_parts_are_run_one_after_another() -> None:
    sizes: list[int] = []

    class Watch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            return x

    model = nn.Sequential(Watch(), nn.Flatten(), nn.Linear(16, 4))
    fit(model, LOSS, Batches(TRAIN.subset(16), 8), None, replace(PLAIN, epochs=1, accumulate=3))
    assert sizes == [3, 3, 2, 3, 3, 2]


class Sequences:
    """Two batches of five sequences of two steps, [T, N, ...], as event data comes."""

    sample_axis = 1

    def __len__(self) -> int:
        return 2

    def iterate(self, epoch: int, start: int = 0):
        g = torch.Generator().manual_seed(1)
        batches = [(torch.rand(2, 5, 3, generator=g).double(), torch.arange(5) % 2) for _ in range(2)]
        return iter(batches[start:])


def test_parts_of_sequences_are_cut_between_samples() -> None:
    """Not between time steps; a layout that nobody names is refused."""
    loss = Loss(lambda net, batch, g: (nn.functional.cross_entropy(net(batch[0]).mean(0), batch[1]), {}))
    found = []
    for accumulate in (1, 2):
        torch.manual_seed(0)
        model = nn.Linear(3, 2).double()
        fit(model, loss, Sequences(), None, replace(PLAIN, accumulate=accumulate))
        found.append(model.weight)
    assert torch.allclose(*found, rtol=1e-9)
    match = r"batches of 5 labels whose x has shape \[2, 5, 3\]; expected as many samples on axis 0 of x.*sample_axis"
    with pytest.raises(ArgumentError, match=match):
        fit(nn.Linear(3, 2).double(), loss, list(Sequences().iterate(0)), None, replace(PLAIN, accumulate=2))


def test_the_number_of_parts_belongs_to_the_run(tmp_path: Path) -> None:
    """A checkpoint from before there were parts is one of whole batches."""
    run(replace(PLAIN, epochs=1), tmp_path)
    tensors, description = load(tmp_path / "checkpoint.safetensors")
    del description["config"]["accumulate"]
    save(tmp_path / "checkpoint.safetensors", tensors, description)
    run(replace(PLAIN, epochs=1), tmp_path)
    with pytest.raises(CheckpointError, match="was written with another accumulate"):
        run(replace(PLAIN, epochs=1, accumulate=2), tmp_path)


@pytest.mark.parametrize("accumulate", [0, True, 1.5])
def test_impossible_numbers_of_parts(accumulate) -> None:
    with pytest.raises(ArgumentError, match=r"FitConfig\.accumulate: got"):
        FitConfig(accumulate=accumulate)


def test_mixed_precision_trains_on_the_cpu() -> None:
    """Layers compute in bfloat16, weights and their updates stay in float32, and it learns."""
    kinds: set[torch.dtype] = set()
    model = network()
    model[0].register_forward_hook(lambda layer, x, y: kinds.add(y.dtype))
    config = FitConfig(epochs=12, optimizer=SGD(lr=0.1), warmup_epochs=1.0, accumulate=2)
    with launched("cpu", "bf16-mixed") as fabric:
        history = fit(model, LOSS, batches(), Batches(TEST, 16), config, fabric=fabric)
    assert torch.bfloat16 in kinds
    assert all(part.dtype == torch.float32 for part in model.parameters())
    assert history[-1]["eval_accuracy"] > 0.9

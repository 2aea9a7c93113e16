"""The training loop, once: any loss, any model, resumable to the same bits, on any number of devices."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, CheckpointError, DataError, sentence
from ..core.fill import fill
from ..core.seed import generator
from .ahead import ahead
from .checkpoint import load, save
from .evaluate import accuracy
from .loader import Batch, EpochBatches, epoch_batches
from .losses import Loss
from .optim import SGD, Optimizer, cosine


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and with what a network is trained.

    Args:
        epochs: passes over the training data, at least 1.
        optimizer: update rule and peak learning rate.
        warmup_epochs: epochs of linear rise of the learning rate.
        clip_norm: largest norm of the whole gradient; 0 for no limit.
        ema_decay: share of the moving average of the weights kept per update, 0..1; 0 for no average. With an
            average, evaluation and the returned weights use it.
        seed: for data order, augmentation and the loss's own draws.
        checkpoint_steps: updates between checkpoints inside an epoch; one is also written after each epoch.
    """

    epochs: int = 100
    optimizer: Optimizer = field(default_factory=SGD)
    warmup_epochs: float = 0.0
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    seed: int = 42
    checkpoint_steps: int = 200

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise ArgumentError(sentence("FitConfig.optimizer", named(self.optimizer), "SGD(...) or AdamW(...)"))
        for name in ("epochs", "seed", "checkpoint_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ArgumentError(sentence(f"FitConfig.{name}", repr(value), "a whole number"))
        for name in ("warmup_epochs", "clip_norm", "ema_decay"):
            if not isinstance(getattr(self, name), Real):
                raise ArgumentError(sentence(f"FitConfig.{name}", repr(getattr(self, name)), "a number"))
        if self.epochs < 1:
            raise ArgumentError(sentence("FitConfig.epochs", repr(self.epochs), "a whole number of at least 1"))
        if self.seed < 0:
            raise ArgumentError(sentence("FitConfig.seed", repr(self.seed), "a whole number of at least 0"))
        if not 0 <= self.ema_decay < 1:
            raise ArgumentError(sentence("FitConfig.ema_decay", repr(self.ema_decay), "a number in 0..1, below 1"))
        if self.clip_norm < 0 or self.warmup_epochs < 0 or self.checkpoint_steps < 1:
            raise ArgumentError(
                sentence(
                    "FitConfig",
                    f"clip_norm={self.clip_norm}, warmup_epochs={self.warmup_epochs}, "
                    f"checkpoint_steps={self.checkpoint_steps}",
                    "clip_norm and warmup_epochs of at least 0, checkpoint_steps of at least 1",
                )
            )


@dataclass
class Progress:
    """Where a run stands: enough, with weights and optimiser, to go on as if it had never stopped."""

    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def fit(
    model: nn.Module,
    loss: Loss,
    train_batches: EpochBatches | DataLoader[Any] | Sequence[Batch],
    eval_batches: EpochBatches | DataLoader[Any] | Sequence[Batch] | None,
    config: FitConfig,
    *,
    folder: Path | None = None,
    log: Callable[..., None] = lambda **numbers: None,
    fabric: Fabric | None = None,
    after_step: Callable[[nn.Module, float], None] = lambda model, lr: None,
    judge: Callable[..., float] = accuracy,
    minutes: float = float("inf"),
) -> list[dict[str, float]]:
    """Train a model in place; a run that finds its checkpoint in `folder` goes on from there, to the same result.

    Args:
        model: the network; holds the trained weights afterwards.
        loss: what to minimise.
        train_batches: training data: `Batches` or `EventBatches` of `spikewright.data` with a seed and augmentation, a
            DataLoader, or a list of (x, y) batches. The order of a DataLoader follows from the config's seed, see
            `LoaderBatches`; several processes need a DistributedSampler.
        eval_batches: data whose accuracy is logged after each epoch, in the same forms, or None.
        config: the numbers of the run.
        folder: where `checkpoint.safetensors` is kept; None to keep none.
        log: called with named numbers after each epoch and every 50 updates.
        fabric: device, precision and processes; one CPU process in float32 if not given.
        after_step: called with the model and the learning rate after each update.
        judge: (model, batches, fabric=...) -> the accuracy, 0..1, that is logged after each epoch; of a spiking network
            `accuracy_of(timesteps)`.
        minutes: stop after the first update past this time, with a checkpoint written; to go on later.

    Returns:
        One row of numbers per finished epoch: epoch, lr, mean of each number the loss logs, eval_accuracy, seconds.

    Raises:
        ArgumentError: for batches that cannot be repeated, e.g. an iterator or a loader without a length.
        DataError: if there is no training batch, or the loss becomes NaN or infinite.
        CheckpointError: if the folder's checkpoint belongs to another run.
    """
    check_module(model, "fit.model", "The order is model, loss, train_batches, eval_batches, config")
    for name, value, cls in (("loss", loss, Loss), ("config", config, FitConfig)):
        if not isinstance(value, cls):
            raise ArgumentError(sentence(f"fit.{name}", named(value), f"a {cls.__name__} of spikewright.train"))
    train_batches = epoch_batches(train_batches, config.seed, "fit.train_batches")
    if eval_batches is not None:
        eval_batches = epoch_batches(eval_batches, config.seed, "fit.eval_batches")
    if len(train_batches) == 0:
        raise DataError("fit: got no training batch; expected at least one. Lower batch_size or add data.")
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    net, optimizer = fabric.setup(model, config.optimizer.build(model.parameters()))
    ema = copy.deepcopy(model).requires_grad_(False) if config.ema_decay else None
    checkpoint = None if folder is None else Path(folder) / "checkpoint.safetensors"
    identity = _identity(config, len(train_batches))
    progress, started = Progress(), time.monotonic()
    if checkpoint is not None and checkpoint.exists():
        progress = _resume(checkpoint, identity, model, ema, optimizer)
        started -= progress.seconds
    deadline = time.monotonic() + 60 * minutes
    steps, warmup = config.epochs * len(train_batches), round(config.warmup_epochs * len(train_batches))

    def rate(batch: int) -> float:
        step = progress.epoch * len(train_batches) + batch
        return config.optimizer.lr * cosine(step, steps, warmup=warmup)

    def keep() -> None:
        progress.seconds = time.monotonic() - started
        if checkpoint is not None and fabric.is_global_zero:
            _keep(checkpoint, identity, model, ema, optimizer, progress)
        fabric.barrier()

    while progress.epoch < config.epochs:
        net.train()
        batches = train_batches.iterate(progress.epoch, progress.batch)
        # on the CPU a second thread would only take the time of the first
        for x, y in batches if fabric.device.type == "cpu" else ahead(batches):
            lr = rate(progress.batch)
            for group in optimizer.param_groups:
                group["lr"] = lr
            batch = fabric.to_device((x, y))
            value, numbers = loss(net, batch, generator(config.seed, progress.epoch, progress.batch, 1))
            if not torch.isfinite(value):
                raise DataError(
                    f"fit: the loss became {float(value.detach())} in epoch {progress.epoch}, batch {progress.batch}; "
                    "expected a finite number. Lower the learning rate, clip the gradient (clip_norm), or check the "
                    "data."
                )
            optimizer.zero_grad()
            fabric.backward(value)
            if config.clip_norm:
                fabric.clip_gradients(net, optimizer, max_norm=config.clip_norm)
            optimizer.step()
            after_step(model, lr)
            if ema is not None:
                _average(ema, model, config.ema_decay)
            progress.batch += 1
            for name, number in numbers.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + float(number)
            if progress.batch % 50 == 0:
                log(epoch=progress.epoch, batch=progress.batch, lr=lr, **_means(progress))
            late = time.monotonic() > deadline
            if late or progress.batch % config.checkpoint_steps == 0:
                keep()
            if late:
                return progress.history
        row = {"epoch": progress.epoch + 1, "lr": rate(len(train_batches) - 1)} | _means(progress, fabric)
        if eval_batches is not None:
            judged = model if ema is None else ema
            row["eval_accuracy"] = judge(judged, eval_batches.iterate(0), fabric=fabric)
        row["seconds"] = time.monotonic() - started
        progress.history.append(row)
        log(**row)
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        keep()
    if ema is not None:
        model.load_state_dict(ema.state_dict())
    return progress.history


def _means(progress: Progress, fabric: Fabric | None = None) -> dict[str, float]:
    means = {name: total / progress.batch for name, total in progress.sums.items()}
    if fabric is not None and fabric.world_size > 1:
        means = {name: float(fabric.all_reduce(torch.tensor(mean))) for name, mean in means.items()}  # pyright: ignore[reportArgumentType]
    return means


@torch.no_grad()
def _average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, value in zip(ema.state_dict().values(), model.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _identity(config: FitConfig, batches: int) -> dict[str, Any]:
    optimizer = type(config.optimizer).__name__ + str(asdict(config.optimizer))
    return asdict(config) | {"optimizer": optimizer, "batches per epoch": batches}


def _keep(path: Path, identity: dict[str, Any], model, ema, optimizer, progress: Progress) -> None:
    """Write everything that a later `_resume` needs."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema.{name}": value for name, value in ema.state_dict().items()}
    numbers = {}
    for index, parts in state["state"].items():
        for name, value in parts.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            elif value is not None:
                numbers[f"{index}.{name}"] = value
    tensors["random"] = torch.get_rng_state()
    save(path, tensors, {"config": identity, "progress": vars(progress), "optimizer": numbers})


def _resume(path: Path, identity: dict[str, Any], model, ema, optimizer) -> Progress:
    """Fill model, average, optimiser and random state from a checkpoint and return where the run stood."""
    tensors, description = load(path)
    try:
        saved, numbers = description["config"], description["optimizer"]
        progress, random = Progress(**description["progress"]), tensors.pop("random")
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: holds no training state ({error}). Start anew in an empty folder."
        ) from error
    saved = {"batches per epoch": identity["batches per epoch"]} | saved  # older checkpoints do not hold it
    differing = [name for name, value in identity.items() if saved.get(name) != value]
    if differing:
        raise CheckpointError(
            f"checkpoint {path}: was written with another {' and '.join(differing)}; expected the same config and "
            "data. Use the run's own, or an empty folder to start anew."
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    fill(model, part("model."), f"checkpoint {path}")
    if ema is not None:
        fill(ema, part("ema."), f"checkpoint {path}")
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*part("optimizer.").items(), *numbers.items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(random)
    return progress

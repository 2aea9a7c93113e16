"""The training loop, once: any loss, any model, resumable to the same bits, on any number of devices."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, DataError, sentence
from ..core.processes import answering, together
from ..core.seed import generator
from .after_step import AfterStep, call
from .ahead import ahead
from .batch_norm import shared_batch_norm
from .evaluate import accuracy
from .inner import own_gradients
from .loader import Batch, EpochBatches, epoch_batches
from .losses import Loss
from .optim import SGD, Optimizer, cosine
from .progress import Progress, keep_progress, resume

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and with what a network is trained.

    Args:
        epochs: passes over the training data, at least 1.
        optimizer: update rule and peak learning rate.
        warmup_epochs: epochs of linear rise of the learning rate.
        clip_norm: largest norm of the whole gradient; 0 for no limit.
        accumulate: parts that each batch is run in, one after another, to need less memory; their gradients add up to
            that of the batch. Batch norm takes its statistics from each part.
        ema_decay: share of the moving average of the weights kept per update, 0..1; 0 for no average. With an
            average, evaluation and the returned weights use it.
        seed: for data order, augmentation and the loss's own draws.
        checkpoint_steps: updates between checkpoints inside an epoch; one is also written after each epoch.
    """

    epochs: int = 100
    optimizer: Optimizer = field(default_factory=SGD)
    warmup_epochs: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1
    ema_decay: float = 0.0
    seed: int = 42
    checkpoint_steps: int = 200

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise ArgumentError(sentence("FitConfig.optimizer", named(self.optimizer), "SGD(...) or AdamW(...)"))
        for name in ("epochs", "accumulate", "seed", "checkpoint_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ArgumentError(sentence(f"FitConfig.{name}", repr(value), "a whole number"))
        for name in ("warmup_epochs", "clip_norm", "ema_decay"):
            if not isinstance(getattr(self, name), Real):
                raise ArgumentError(sentence(f"FitConfig.{name}", repr(getattr(self, name)), "a number"))
        for name in ("epochs", "accumulate"):
            if getattr(self, name) < 1:
                raise ArgumentError(
                    sentence(f"FitConfig.{name}", repr(getattr(self, name)), "a whole number of at least 1")
                )
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


Judge = Callable[..., float | Mapping[str, float]]
"""(model, batches, fabric=...) -> an accuracy, or several numbers by name."""


@runtime_checkable
class Shares(Protocol):
    """Batches that say for which of how many processes they are."""

    rank: int
    world_size: int


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
    after_step: AfterStep = lambda model, lr: None,
    judge: Judge = accuracy,
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
        log: called with named numbers after each epoch and every 50 updates, in the first process.
        fabric: device, precision and processes, see `launched`; one CPU process in float32 if not given. Several
            processes average their gradients and share the statistics of batch norms, so that only dropout, draws of
            the loss, and augmentation without a method `part` differ from a run in one process by more than rounding.
        after_step: called with the model and the learning rate after each update; one with a parameter `step` is told
            the number of updates done, too. Several become one by `in_turn`.
        judge: (model, batches, fabric=...) -> the accuracy, 0..1, that is logged after each epoch as "eval_accuracy",
            or several numbers by name; of a spiking network `accuracy_of(timesteps)`.
        minutes: stop after the first update past this time, with a checkpoint written; to go on later.

    Returns:
        One row of numbers per finished epoch: epoch, lr, mean of each number the loss logs, eval_accuracy, seconds.

    Raises:
        ArgumentError: for batches that cannot be repeated, e.g. an iterator or a loader without a length.
        DataError: if there is no training batch, or the loss becomes NaN or infinite.
        CheckpointError: if the folder's checkpoint belongs to another run.
        ProcessError: if another process has ended or does not answer.
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
    fabric = fabric or _one_process()
    _check_shares(train_batches, fabric)
    with answering("fit", fabric):
        return _fit(model, loss, train_batches, eval_batches, config, folder, log, fabric, after_step, judge, minutes)


def _fit(
    model: nn.Module,
    loss: Loss,
    train_batches: EpochBatches,
    eval_batches: EpochBatches | None,
    config: FitConfig,
    folder: Path | None,
    log: Callable[..., None],
    fabric: Fabric,
    after_step: AfterStep,
    judge: Judge,
    minutes: float,
) -> list[dict[str, float]]:
    net, optimizer = fabric.setup(model, config.optimizer.build(model.parameters()))
    ema = copy.deepcopy(model).requires_grad_(False) if config.ema_decay else None
    checkpoint = None if folder is None else Path(folder) / "checkpoint.safetensors"
    identity = _identity(config, len(train_batches))
    found = None if checkpoint is None else resume(checkpoint, identity, model, ema, optimizer, fabric)
    progress, started = found or Progress(), time.monotonic()
    started -= progress.seconds
    deadline = time.monotonic() + 60 * minutes
    axis = getattr(train_batches, "sample_axis", 0)
    steps, warmup = config.epochs * len(train_batches), round(config.warmup_epochs * len(train_batches))

    def rate(batch: int) -> float:
        step = progress.epoch * len(train_batches) + batch
        return config.optimizer.lr * cosine(step, steps, warmup=warmup)

    def is_late() -> bool:
        if math.isinf(minutes):
            return False
        return bool(together(torch.tensor(int(time.monotonic() > deadline)), fabric, "max"))

    def keep() -> None:
        progress.seconds = time.monotonic() - started
        if checkpoint is not None:
            keep_progress(checkpoint, identity, model, ema, optimizer, progress, fabric)
        fabric.barrier()

    def tell(**numbers: float) -> None:
        if fabric.is_global_zero:
            log(**numbers)

    while progress.epoch < config.epochs:
        net.train()
        with shared_batch_norm(model, fabric):
            batches = train_batches.iterate(progress.epoch, progress.batch)
            # on the CPU a second thread would only take the time of the first
            for x, y in batches if fabric.device.type == "cpu" else ahead(batches):
                lr = rate(progress.batch)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                optimizer.zero_grad()
                numbers = _gradients(net, loss, (x, y), config, progress, fabric, axis)
                if config.clip_norm:
                    fabric.clip_gradients(net, optimizer, max_norm=config.clip_norm)
                optimizer.step()
                call(after_step, model, lr, progress.epoch * len(train_batches) + progress.batch + 1)
                if ema is not None:
                    _average(ema, model, config.ema_decay)
                progress.batch += 1
                for name, number in numbers.items():
                    progress.sums[name] = progress.sums.get(name, 0.0) + number
                if progress.batch % 50 == 0:
                    tell(epoch=progress.epoch, batch=progress.batch, lr=lr, **_means(progress))
                late = is_late()
                if late or progress.batch % config.checkpoint_steps == 0:
                    keep()
                if late:
                    return progress.history
        row = {"epoch": progress.epoch + 1, "lr": rate(len(train_batches) - 1)} | _means(progress)
        if eval_batches is not None:
            judged = model if ema is None else ema
            found = judge(judged, eval_batches.iterate(0), fabric=fabric)
            row |= found if isinstance(found, Mapping) else {"eval_accuracy": found}
        row["seconds"] = time.monotonic() - started
        progress.history.append(row)
        tell(**row)
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        keep()
    if ema is not None:
        model.load_state_dict(ema.state_dict())
    return progress.history


def _gradients(
    net: Any, loss: Loss, batch: Batch, config: FitConfig, progress: Progress, fabric: Fabric, axis: int
) -> dict[str, float]:
    """Put the gradient of the mean loss over the whole batch of all processes on the parameters.

    Each part of a batch counts as its share of the samples, so that unequal parts give the mean of the whole too.

    Returns:
        The means over the whole batch of the numbers that the loss logs.

    Raises:
        DataError: if the loss is NaN or infinite in any process; the weights are untouched.
    """
    x, y = fabric.to_device(batch)
    rank = (fabric.global_rank,) if fabric.global_rank else ()  # samples of another process get draws of their own
    draws = generator(config.seed, progress.epoch, progress.batch, 1, *rank)
    whole = int(together(torch.tensor(len(y)), fabric)) if fabric.world_size > 1 else len(y)
    parts = [(x, y)] if config.accumulate == 1 else _parts(x, y, config.accumulate, axis)
    values, sums = [], {}
    for number, part in enumerate(parts):
        share = len(part[1]) / whole
        with fabric.no_backward_sync(net, enabled=number + 1 < len(parts)):
            with own_gradients():
                value, numbers = loss(net, part, draws)
            scaled = value if share == 1 else value * (share * fabric.world_size)  # processes average gradients
            values.append(share * float(value.detach()))
            if fabric.world_size == 1:
                _check_finite(values[-1] / share, progress)
            fabric.backward(scaled)
        for name, number_ in numbers.items():
            sums[name] = sums.get(name, 0.0) + share * float(number_)
    if fabric.world_size == 1:
        return sums
    total, *means = together(torch.tensor([sum(values), *sums.values()], dtype=torch.float64), fabric).tolist()
    _check_finite(total, progress)
    return dict(zip(sums, means))


def _parts(x: Tensor, y: Tensor, count: int, axis: int) -> list[Batch]:
    if x.dim() <= axis or x.shape[axis] != len(y):
        met = f"batches of {len(y)} labels whose x has shape {list(x.shape)}"
        allowed = f"as many samples on axis {axis} of x"
        todo = "Give batches of another layout an attribute sample_axis, as EventBatches has it, or take accumulate=1"
        raise ArgumentError(sentence("FitConfig.accumulate", met, allowed, todo))
    return list(zip(x.chunk(count, axis), y.chunk(count)))


def _check_finite(value: float, progress: Progress) -> None:
    if not math.isfinite(value):
        raise DataError(
            f"fit: the loss became {value} in epoch {progress.epoch}, batch {progress.batch}; expected a finite "
            "number. Lower the learning rate, clip the gradient (clip_norm), or check the data."
        )


def _one_process() -> Fabric:
    # imported when something is trained: it takes longer than all of this package
    from lightning_fabric import Fabric

    return Fabric(accelerator="cpu", devices=1)


def _check_shares(batches: EpochBatches, fabric: Fabric) -> None:
    """Raise ArgumentError for `Batches` that were made for another number of processes, or for another one of them."""
    if not isinstance(batches, Shares):
        return
    made, here = (batches.rank, batches.world_size), (fabric.global_rank, fabric.world_size)
    if made != here:
        met = f"shares of process {made[0]} of {made[1]} in process {here[0]} of {here[1]}"
        todo = "Batches(..., rank=fabric.global_rank, world_size=fabric.world_size)"
        raise ArgumentError(sentence("fit.train_batches", met, "this process's own share", todo))


def _means(progress: Progress) -> dict[str, float]:
    return {name: total / progress.batch for name, total in progress.sums.items()}


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

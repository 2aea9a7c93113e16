"""TrainRun: a whole training as one frozen value; run_training() carries it out in a run folder."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ..convert.statistics import Statistic
from ..core.config import to_json
from ..core.errors import ArgumentError, ConfigError, sentence
from ..core.loss import Loss
from ..core.seed import generator, seed_all
from ..core.spiking import Spiking
from ..data import load_dataset, of_kind
from ..data.augment import Augmentation, Compose, HorizontalFlip, RandomCrop
from ..data.batches import Batches
from ..data.images import ImageSource
from ..report import Column, FigureSpec, Report, RunFolder, Table, environment
from ..robust import BestKept, View
from ..sparsity import permanent
from ..train.after_step import AfterStep, in_turn
from ..train.evaluate import accuracy, accuracy_of
from ..train.fit import FitConfig, fit
from ..train.launch import launched
from ..train.losses import check_distillation, cross_entropy, distillation
from ..train.memory import MemoryEstimate, estimate_memory
from ..train.spiking_losses import readout_distillation
from .cost import with_cost
from .first_weights import first_weights
from .hardening import Hardening
from .network import Network, load_network, save_network
from .over_time import OverTime
from .registries import REGISTRIES

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PACKAGES = ("spikewright", "torch", "numpy", "lightning-fabric", "safetensors")


@dataclass(frozen=True, kw_only=True)
class TrainRun:
    """Training of a network: plain, with the activations of a conversion method, or as a spiking network.

    Args:
        name: name of the run.
        network: what is trained.
        weights: a trained network, by name or file, whose weights are the first ones: one with the same layers, to
            train longer or with another number of levels; or one with plain ReLUs, whose activations then set the
            thresholds that `network.prepare` trains; none for fresh weights.
        thresholds: statistic of a plain ReLU's output that becomes its first threshold; none for the one with the least
            error at as many steps as the method has levels.
        calibration_images: number of training images that it is taken of, from the first on.
        teacher: a trained network, by name or file, whose logits are learnt beside the labels; none for labels alone.
        teacher_weight: what the distance to the teacher is multiplied with.
        teacher_temperature: what all logits are divided by for it.
        dataset: name of the data set; its split "train" is trained on, its evaluation split is only looked at.
        images: number of training images, from the first on; none for all.
        augment: random changes of the training images, in this order.
        batch_size: images per update over all processes.
        label_smoothing: share of each label spread over all classes.
        over_time: time steps and loss of a network with `network.neurons`; refused for others.
        hardening: how such a network is trained against attacks; none for clean images alone.
        fit: length, optimiser, seed.
        device: where to compute.
        precision: number format of the computation.
        memory_format: order of tensors in memory; channels_last is faster for convolutions on most machines.
        threads: threads of one process on the CPU; 0 for torch's own choice.
        minutes: stop with a checkpoint after this time, to be gone on with later; none for no limit.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    name: str = "train"
    network: Network = field(default_factory=Network)
    weights: str | None = None
    thresholds: Statistic | None = None
    calibration_images: int = 512
    teacher: str | None = None
    teacher_weight: float = 1.0
    teacher_temperature: float = 4.0
    dataset: str = "cifar10"
    images: int | None = None
    augment: tuple[Augmentation, ...] = (RandomCrop(padding=4), HorizontalFlip())
    batch_size: int = 128
    label_smoothing: float = 0.0
    over_time: OverTime = field(default_factory=OverTime)
    hardening: Hardening | None = None
    fit: FitConfig = field(default_factory=FitConfig)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    memory_format: Literal["contiguous", "channels_last"] = "channels_last"
    threads: int = 0
    minutes: float | None = None
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ArgumentError(
                sentence("TrainRun.label_smoothing", repr(self.label_smoothing), "a number in 0..1, below 1")
            )
        if self.threads < 0:
            raise ArgumentError(sentence("TrainRun.threads", repr(self.threads), "0 or a number of threads"))
        if self.calibration_images < 1:
            who = "TrainRun.calibration_images"
            raise ArgumentError(sentence(who, repr(self.calibration_images), "a whole number of at least 1"))
        if self.network.neurons is None and self.over_time != OverTime():
            met = "over_time for a network without neurons"
            raise ArgumentError(sentence("TrainRun", met, "neurons", "Choose them by --network.neurons, e.g. LIF"))
        self._check_hardening()
        check_distillation("TrainRun", teacher_weight=self.teacher_weight, teacher_temperature=self.teacher_temperature)

    def _check_hardening(self) -> None:
        """Raise ArgumentError where what hardens the network and what trains it do not go together."""
        if self.hardening is None:
            return
        if self.network.neurons is None:
            met = "hardening for a network without neurons"
            raise ArgumentError(sentence("TrainRun", met, "neurons", "Choose them by --network.neurons, e.g. LIF"))
        retraction = self.hardening.retraction
        if retraction is not None and retraction.beta and self.fit.optimizer.weight_decay:
            met = f"weight decay {self.fit.optimizer.weight_decay:g} beside a retraction"
            todo = "One draws weights to 0, the other singular values to 1: --fit.optimizer.weight_decay 0"
            raise ArgumentError(sentence("TrainRun", met, "one of them", todo))
        if self.hardening.retraction is not None and self.over_time.pruning != "none":
            raise ArgumentError(sentence("TrainRun", "pruning beside a retraction", "one of them"))


def run_training(
    config: TrainRun,
    folder: RunFolder,
    watch: Callable[..., None] = lambda **numbers: None,
    fabric: Fabric | None = None,
    begin: Callable[[MemoryEstimate], bool] = lambda estimate: True,
) -> Report | None:
    """Train, evaluate on the data set's evaluation split, and write weights and report into the run folder.

    A folder that holds a checkpoint of the same config is gone on with.

    Args:
        config: the run.
        folder: where everything is written.
        watch: called with the numbers that are logged, after each epoch and every 50 updates.
        fabric: device, precision and processes, see `launched`; those that the config asks for if not given. Of
            several processes the first one writes.
        begin: called with what a training step will hold in memory, before the first one; whether to train.

    Returns:
        The report, or None if the time ran out first, or the training was not begun.
    """
    if fabric is None:
        with launched(config.device, config.precision) as fabric:
            return run_training(config, folder, watch, fabric, begin)
    if config.threads:
        torch.set_num_threads(config.threads)

    def log(**numbers: float) -> None:
        folder.log(**numbers)
        watch(**numbers)

    seed_all(config.fit.seed)
    judged = of_kind(config.dataset, "images").SPEC.evaluation_split
    train, test = (load_dataset(config.dataset, config.data, split) for split in ("train", judged))
    if config.images is not None:
        train = train.subset(config.images)
    rank, world_size = fabric.global_rank, fabric.world_size
    apart = None if config.hardening is None else config.hardening.watch
    train, watched = (train, None) if apart is None else apart.apart(train)
    train_batches = Batches(
        train,
        config.batch_size,
        seed=config.fit.seed,
        augment=Compose(config.augment) if config.augment else None,
        drop_last=len(train) > config.batch_size,
        rank=rank,
        world_size=world_size,
    )
    test_batches = Batches(test, 500 * world_size, rank=rank, world_size=world_size)
    first = None
    if config.weights is not None or config.network.pretrained is not None:
        few = train.subset(min(len(train), config.calibration_images))
        calibration = Batches(few, 100 * world_size, rank=rank, world_size=world_size)
        first = first_weights(
            config.network,
            config.weights,
            folder.path / "first.safetensors",
            calibration,
            statistic=config.thresholds,
            data=config.data,
            fabric=fabric,
        )
        if first.source is not None and first.classes not in (None, len(train.classes)):
            raise ConfigError(
                f"--dataset {config.dataset}: has {len(train.classes)} classes, but {config.network.pretrained} was "
                f"made for {first.classes}. Train a network on as many classes as it has."
            )
    model = config.network.build() if first is None else first.model
    if config.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    over_time = config.network.neurons is not None
    steps = config.fit.epochs * len(train_batches)
    hooks: list[AfterStep] = [config.over_time.prepared(model, steps)] if over_time else []
    judge = judge_of_epochs = accuracy_of(config.over_time.timesteps) if over_time else accuracy
    if config.hardening is not None:
        hooks += config.hardening.hooks(model, train.gather(torch.arange(1))[0], config.over_time.timesteps)
        held_out = watched and list(Batches(watched, 100 * world_size, rank=rank, world_size=world_size).iterate(0))
        judge_of_epochs = config.hardening.judge_of(
            judge, held_out, View(timesteps=config.over_time.timesteps), folder.path
        )
    if rank:
        seed_all(int(generator(config.fit.seed, rank).initial_seed()))  # dropout draws anew for other images
    loss = training_loss(config, fabric.device)
    estimate = training_memory(config, model, loss, train, fabric)
    estimate.warn_if_too_large()
    if not begin(estimate):
        return None
    history = fit(
        model,
        loss,
        train_batches,
        test_batches,
        config.fit,
        folder=folder.path,
        log=log,
        fabric=fabric,
        minutes=math.inf if config.minutes is None else config.minutes,
        judge=judge_of_epochs,
        after_step=in_turn(hooks),
    )
    if len(history) < config.fit.epochs:
        return None
    permanent(model)
    if isinstance(judge_of_epochs, BestKept):
        fabric.barrier()
        judge_of_epochs.restore(model)
    final = judge(model, test_batches.iterate(0), fabric=fabric)
    report = training_report(config, history, final, len(train), len(test), str(fabric.device))
    if fabric.is_global_zero:
        if isinstance(model, Spiking):
            report = with_cost(report, model.eval(), test, config.over_time.timesteps)
        about = {
            "run": config.name,
            "test_accuracy": final,
            "test_images": len(test),
            "train_images": len(train),
            **({"timesteps": config.over_time.timesteps} if over_time else {}),
        } | ({} if first is None else {"first_weights": first.about})
        source = None if first is None else first.source
        save_network(folder.path / "model.safetensors", model.cpu(), config.network, about, source)
        folder.write(report)
    return report


def training_memory(
    config: TrainRun, model: nn.Module, loss: Loss, images: ImageSource, fabric: Fabric
) -> MemoryEstimate:
    """What a training step of one process holds; a batch that is run in parts, with one of them."""
    x, y = images.gather(torch.arange(min(len(images), 4)))
    x, y = x.to(fabric.device), y.to(fabric.device)
    if config.hardening is not None:
        loss = training_loss(config, fabric.device, attacks=False)

    def forward(net: nn.Module, part: Tensor) -> Tensor:
        labels = y[torch.arange(len(part), device=y.device) % len(y)]
        return loss(net, (part, labels), generator(config.fit.seed))[0]

    own = min(config.batch_size, len(images)) // fabric.world_size
    return estimate_memory(
        copy.deepcopy(model).to(fabric.device),
        x,
        samples=max(1, -(-own // config.fit.accumulate)),
        optimizer=config.fit.optimizer,
        average=bool(config.fit.ema_decay),
        forward=forward,
        precision=config.precision,
        shares=1 if fabric.device.type == "cuda" else int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
    )


def training_loss(config: TrainRun, device: torch.device, *, attacks: bool = True) -> Loss:
    """Cross-entropy with the labels, where the run has a teacher the distance to its logits, and what hardens it.

    Args:
        config: the run.
        device: where it computes.
        attacks: see `Hardening.loss_of`.
    """
    teacher = None if config.teacher is None else load_network(config.teacher, config.data).model.to(device)
    far: dict[str, Any] = {"temperature": config.teacher_temperature, "weight": config.teacher_weight}
    if config.network.neurons is not None:
        loss = config.over_time.loss_of(label_smoothing=config.label_smoothing)
        loss = loss if teacher is None else loss + readout_distillation(teacher, **far)
        if config.hardening is not None:
            loss = config.hardening.loss_of(loss, View(timesteps=config.over_time.timesteps), attacks=attacks)
        return config.over_time.kept(loss)
    loss = cross_entropy(label_smoothing=config.label_smoothing)
    return loss if teacher is None else loss + distillation(teacher, **far)


def training_report(
    config: TrainRun, history: list[dict[str, float]], final: float, train: int, test: int, device: str
) -> Report:
    """Learning curve and final accuracy of a training run."""
    names = list(dict.fromkeys(name for row in history for name in row))
    units = {name: "%" if "accuracy" in name else "s" if name == "seconds" else "" for name in names}
    rows = tuple(tuple(int(row[n]) if n == "epoch" else row.get(n) for n in names) for row in history)
    watch = None if config.hardening is None else config.hardening.watch
    watched = () if watch is None else (watch.note(),)
    table = Table("Learning curve", tuple(Column(name, units[name]) for name in names), rows)
    return Report(
        f"Training of {config.name}",
        f"**{100 * final:.2f} %** of {test:,} test images right after {config.fit.epochs} epochs on {train:,} images.",
        to_json(config, REGISTRIES),
        environment(PACKAGES) | {"device": device, "seed": config.fit.seed},
        (table,),
        (FigureSpec("learning_curve", "learning_curve", "Loss and accuracy by epoch.", "Learning curve"),),
        notes=("The evaluation split is judged after every epoch to be looked at; no epoch is chosen by it.", *watched),
    )

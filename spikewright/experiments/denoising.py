"""DenoiseRun: a network that removes noise is trained, converted without training, and judged in dB at every T."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..convert.codings import differential
from ..convert.driver import convert
from ..convert.layers import TRAINED
from ..convert.recipe import Recipe
from ..convert.recipes import DCGS, HMT
from ..core.config import to_json
from ..core.errors import ArgumentError, sentence
from ..core.references import source_of
from ..core.seed import seed_all
from ..data import load_dataset
from ..data.augment import HorizontalFlip
from ..data.batches import Batches
from ..data.noise import NoisyPairs
from ..models import denoiser
from ..neurons.firing import Harmony
from ..profile import COST_TABLES, count_macs, count_operations, energy_over_time
from ..report import Column, Report, RunFolder, Table, environment
from ..train import (
    PSNR,
    AdamW,
    FitConfig,
    fit,
    load_model,
    mean_metric,
    mean_squared_error,
    metric_over_time,
    save_model,
)
from .registries import REGISTRIES
from .training import PACKAGES

COSTS = "float32_45nm"
WEIGHTS = "model.safetensors"
Row = tuple[str, int | None, float, float | None, float | None, float | None]
COLUMNS = (
    Column("network"),
    Column("T", note="Time steps; a dash is what does not spike."),
    Column("PSNR", "dB", 2, "Against the clean image, pixels in 0..1, output not clipped; mean over the images."),
    Column("difference", "dB", 2, "To the source network's."),
    Column("deviation", "%", 2, "RMS distance from the source network's output, over that output's RMS."),
    Column(
        "ratio", "", 3, f"Energy over that of the source network, cost table {COSTS}, an output counted as one event."
    ),
)


@dataclass(frozen=True, kw_only=True)
class DenoiseRun:
    """A denoiser for CIFAR-10 images, from training to the error of its spiking copies.

    Args:
        train: split that it is trained on, with a fresh noise in every epoch.
        train_images: how many of them, from the first on.
        weights: a file of trained weights; then nothing is trained.
        sigma: standard deviation of the noise, for pixels in [0, 1].
        fit: how it is trained.
        recipes: the conversions.
        calibration_images: how many of the training images, with noise, set thresholds.
        test: split that is judged.
        test_images: how many of them, from the first on.
        counted_images: how many of these operations are counted on.
        timesteps: T.
        at: numbers of steps that are shown.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    train: str = "calibration"
    train_images: int = 500
    weights: Path | None = None
    sigma: float = 25 / 255
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=20, optimizer=AdamW(lr=4e-3, weight_decay=0.0)))
    recipes: tuple[Recipe, ...] = field(
        default_factory=lambda: (
            DCGS(),
            HMT(),
            HMT(coding=differential, signed=True, firing=Harmony(dead_zone=0.75)),
        )
    )
    calibration_images: int = 100
    test: str = "sample"
    test_images: int = 200
    counted_images: int = 20
    timesteps: int = 16
    at: tuple[int, ...] = (1, 2, 4, 8, 16)
    seed: int = 42
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        if self.train == self.test:
            raise ArgumentError(
                sentence("DenoiseRun.test", f"{self.test!r}, the split of the training", "another split")
            )
        for name in ("train_images", "calibration_images", "test_images", "counted_images", "timesteps"):
            if getattr(self, name) < 1:
                met = repr(getattr(self, name))
                raise ArgumentError(sentence(f"DenoiseRun.{name}", met, "a whole number of at least 1"))
        if not self.at or not all(1 <= t <= self.timesteps for t in self.at):
            raise ArgumentError(sentence("DenoiseRun.at", repr(self.at), f"numbers of steps in 1..{self.timesteps}"))


@dataclass(frozen=True)
class NoisyImages:
    """What a run is made of.

    Args:
        train: for the training.
        calibration: noisy training images that set thresholds, [N, C, H, W].
        test: what is judged.
        counted: noisy test images that operations are counted on, [N, C, H, W].
    """

    train: NoisyPairs
    calibration: Tensor
    test: NoisyPairs
    counted: Tensor


def load_images(config: DenoiseRun) -> NoisyImages:
    """The images of a run, each part with noise of its own.

    Raises:
        DataError: if images are missing.
    """
    images = load_dataset("cifar10", config.data, config.train).subset(config.train_images)
    judged = load_dataset("cifar10", config.data, config.test).subset(config.test_images)
    measured = images.subset(min(config.calibration_images, len(images)))
    order = Batches(images, 32, seed=config.seed, augment=HorizontalFlip())
    train, calibration, test = (
        NoisyPairs(batches, sigma=config.sigma, seed=config.seed + number)
        for number, batches in enumerate((order, Batches(measured, len(measured)), Batches(judged, 50)))
    )
    first, _ = next(iter(test))
    return NoisyImages(train, next(iter(calibration))[0], test, first[: config.counted_images])


def run_denoising(config: DenoiseRun, folder: RunFolder, say: Callable[[str], None] = lambda text: None) -> Report:
    """Train, or take the weights; convert by every recipe; judge all in dB; write the report.

    Raises:
        DataError: if images are missing.
        CheckpointError: if the weights do not fit.
    """
    seed_all(config.seed)
    images = load_images(config)
    model = trained(config, images.train, folder, say)
    noisy, source = (mean_metric(network, images.test, PSNR) for network in (nn.Identity(), model))
    say(f"noisy image: {noisy:.2f} dB; source network: {source:.2f} dB")
    rows: list[Row] = [("noisy image", None, noisy, None, None, None), ("source network", None, source, 0.0, 0.0, 1.0)]
    for recipe in config.recipes:
        rows += _judged(recipe, model, images, config)
        say(f"{rows[-1][0]}: {rows[-1][2]:.2f} dB at T = {rows[-1][1]}")
    report = Report(
        "A denoiser converted without training",
        _summary(rows, config),
        to_json(config, REGISTRIES),
        environment(PACKAGES) | {"device": "cpu", "seed": config.seed},
        (Table("PSNR over time", COLUMNS, tuple(rows), caption=_caption(config)),),
        notes=(COST_TABLES[COSTS].note,),
        references=tuple(dict.fromkeys(source_of(type(recipe)) for recipe in config.recipes)),
    )
    folder.write(report)
    return report


def recipe_words(recipe: Recipe) -> str:
    """A recipe's name with its coding, as in the table."""
    coding = getattr(recipe, "coding", None)
    return type(recipe).__name__ + (f", {coding.name}" if coding is not None else "")


def trained(config: DenoiseRun, batches: NoisyPairs, folder: RunFolder, say: Callable[[str], None]) -> nn.Module:
    """The denoiser with the weights of a file, or trained; a run that was stopped goes on in its folder."""
    torch.manual_seed(config.seed)
    model = denoiser()
    if config.weights is not None:
        load_model(config.weights, model)
        return model.eval()
    say(f"training for {config.fit.epochs} epochs of {config.train_images} images")

    def log(**numbers: float) -> None:
        folder.log(**numbers)
        if "seconds" in numbers:
            say(f"epoch {numbers['epoch']}: loss {numbers['loss']:.5f}, {numbers['seconds']:.0f} s")

    history = fit(model, mean_squared_error(), batches, None, config.fit, folder=folder.path, log=log)
    about = {"sigma": config.sigma, "train": config.train, "images": config.train_images, "last": history[-1]}
    save_model(folder.path / WEIGHTS, model, {"network": {"architecture": "denoiser"}, "about": about})
    return model.eval()


def _judged(recipe: Recipe, model: nn.Module, images: NoisyImages, config: DenoiseRun) -> list[Row]:
    """One conversion: a row for every number of steps that is shown."""
    conversion = convert(model, recipe, images.calibration)
    found = metric_over_time(conversion.model, images.test, config.timesteps, PSNR, source=conversion.source)
    source = mean_metric(conversion.source, images.test, PSNR)
    steps = [conversion.model.phases.steps(t) for t in config.at]
    operations = count_operations(conversion.model, [images.counted], timesteps=max(steps))
    macs = count_macs(conversion.source, images.counted[:1], leaves=TRAINED)
    energies = energy_over_time(operations, COST_TABLES[COSTS], steps, ann=macs).energies
    return [
        (
            recipe_words(recipe),
            t,
            found.values[t - 1],
            found.values[t - 1] - source,
            found.deviation[t - 1],
            energy.ratio,
        )
        for t, energy in zip(config.at, energies)
    ]


def _caption(config: DenoiseRun) -> str:
    return (
        f"{config.test_images} images of CIFAR-10, split {config.test!r}, noise of {config.sigma * 255:.4g}/255; "
        f"energy on the first {config.counted_images}."
    )


def _summary(rows: list[Row], config: DenoiseRun) -> str:
    last = max(config.at)
    parts = [f"{row[0]} {row[2]:.2f} dB" for row in rows[2:] if row[1] == last]
    return (
        f"The noisy images have {rows[0][2]:.2f} dB, the network's output {rows[1][2]:.2f} dB; converted without "
        f"training, at T = {last}: {'; '.join(parts)}."
    )

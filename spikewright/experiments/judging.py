"""Judging a converted network on a data set: accuracy at every T, spikes, operations, energy, layer errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..convert.diagnose import diagnose
from ..convert.diagnosis import Diagnosis
from ..convert.layers import TRAINED
from ..convert.recipe import Conversion
from ..core.errors import ArgumentError, sentence
from ..core.references import source_of
from ..core.registry import pick
from ..data.batches import Batches
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..profile import (
    COST_TABLES,
    CostTable,
    Energy,
    Operations,
    SpikeCounts,
    count_macs,
    count_operations,
    count_spikes,
    energy_over_time,
)
from ..report import Column, FigureSpec, Report, Table
from ..train.evaluate import AccuracyOverTime, accuracy_over_time, latencies, latency_columns, wilson
from .activity import activity_figures


@dataclass(frozen=True, kw_only=True)
class Judging:
    """On what a converted network is judged, and how.

    Args:
        split: split of the data set: "sample" is the embedded one.
        images: number of images, from the first on; none for all.
        timesteps: T; every shorter time is judged from the same run.
        at: numbers of steps shown in tables.
        batch_size: images per batch.
        counted_images: images on which spikes and operations are counted, from the first on.
        diagnosed_images: images on which layers are compared, from the first on.
        diagnosed_timesteps: T of that comparison.
        tolerance: error of a layer, as a share of its activation, above which it counts as wrong.
        costs: name of the cost table for energies.
        threads: threads on the CPU; 0 for torch's own choice.
        memory_format: order of tensors in memory while accuracy is taken; channels_last is faster for convolutions on
            most machines. Sums are rounded differently, so a spike at the very threshold may come a step later.
    """

    split: str = "sample"
    images: int | None = None
    timesteps: int = 32
    at: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    batch_size: int = 100
    counted_images: int = 100
    diagnosed_images: int = 50
    diagnosed_timesteps: int = 8
    tolerance: float = 0.5
    costs: str = "float32_45nm"
    threads: int = 0
    memory_format: Literal["contiguous", "channels_last"] = "channels_last"

    def __post_init__(self) -> None:
        for name in ("timesteps", "batch_size", "counted_images", "diagnosed_images", "diagnosed_timesteps"):
            if getattr(self, name) < 1:
                raise ArgumentError(
                    sentence(f"Judging.{name}", repr(getattr(self, name)), "a whole number of at least 1")
                )
        if self.images is not None and self.images < 1:
            raise ArgumentError(sentence("Judging.images", repr(self.images), "none or a whole number of at least 1"))
        if self.threads < 0:
            raise ArgumentError(sentence("Judging.threads", repr(self.threads), "0 or a number of threads"))
        if not self.at or min(self.at) < 1:
            raise ArgumentError(sentence("Judging.at", repr(self.at), "numbers of steps of at least 1"))
        _ = self.cost_table

    @property
    def cost_table(self) -> CostTable:
        """The cost table that `costs` names, whatever the case."""
        return pick(COST_TABLES, self.costs, "Judging.costs")

    @property
    def shown(self) -> tuple[int, ...]:
        """The numbers of steps shown: those of `at` up to T, and T itself."""
        return tuple(sorted({t for t in self.at if t <= self.timesteps} | {self.timesteps}))


@dataclass(frozen=True)
class Measurements:
    """What a converted network delivers, and what it does for that.

    Args:
        judging: how it was found.
        over_time: accuracy at every T.
        spikes: spikes per layer and step.
        operations: operations of the spiking network, per layer and step.
        source: operations of the source network, per layer.
        image: the first image, [1, C, H, W].
    """

    judging: Judging
    over_time: AccuracyOverTime
    spikes: SpikeCounts
    operations: Operations
    source: Operations
    image: Tensor

    @property
    def energies(self) -> tuple[Energy, ...]:
        """Energy of both networks at every shown T, a rehearsal included."""
        costs, steps = self.judging.cost_table, [self.steps(t) for t in self.judging.shown]
        return energy_over_time(self.operations, costs, steps, ann=self.source).energies

    def steps(self, timesteps: int) -> int:
        """The steps that are run for T that count: a rehearsal, and a window that layers replay, cost energy too."""
        return self.over_time.phases.steps(timesteps)

    def table(self, recipe: str, title: str = "Result") -> Table:
        """One row for the source network, then one per shown T: accuracy, agreement, spikes, synops, MACs, energy."""
        phases = self.over_time.phases
        columns = (
            Column("recipe"),
            Column("T", note="Time steps; a dash is the source network."),
            *latency_columns(phases),
            Column("accuracy", "%", 2),
            Column("low", "%", 2),
            Column("high", "%", 2, "Ends of the 95 % Wilson interval."),
            Column("agreement", "%", 2, "Images that get the source network's class."),
            Column("spikes", "", 3, "Per neuron and image, over all steps."),
            Column("synops", "M", 2, "Millions of synaptic operations per image: accumulations caused by spikes."),
            Column("MACs", "M", 2, "Millions of multiply-accumulates per image: the source network, and analog input."),
            Column(
                "energy", "J", 2, f"Per image, cost table {self.judging.costs}: arithmetic only, see docs/energy.md."
            ),
            Column("ratio", "", 3, "Energy divided by that of the source network."),
        )
        over_time, samples, energies = self.over_time, self.over_time.samples, self.energies
        right = over_time.source_correct or 0
        source = (
            f"{recipe} ANN",
            None,
            *latencies(phases, None),
            right / samples,
            *wilson(right, samples),
            None,
            None,
            None,
        )
        rows: list[tuple] = [(*source, self.source.totals().macs / 1e6, energies[0].ann_joule, None)]
        for t, energy in zip(self.judging.shown, energies):
            right, totals = over_time.correct[t - 1], self.operations.totals(self.steps(t))
            judged = (right / samples, *wilson(right, samples), over_time.agreement[t - 1])
            spikes = self.spikes.spikes_per_sample(self.steps(t)) / self.spikes.neurons
            counted = (spikes, totals.synops / 1e6, totals.macs / 1e6)
            rows.append((recipe, t, *latencies(phases, t), *judged, *counted, energy.joule, energy.ratio))
        caption = f"{samples:,} images; spikes, operations and energy on the first {self.operations.samples}."
        return Table(title, columns, tuple(rows), caption=caption)


@dataclass(frozen=True)
class Judgement(Measurements):
    """The same with the reason: where the layers of the two networks differ.

    Args:
        diagnosis: layer errors.
    """

    diagnosis: Diagnosis


def judge(
    conversion: Conversion,
    images: ImageDataset | FolderImages,
    judging: Judging,
    *,
    log: Callable[..., None] = lambda **numbers: None,
) -> Judgement:
    """Judge a converted network on the images of one split.

    Args:
        conversion: the converted network.
        images: the split.
        judging: how to judge.
        log: called with accuracy and agreement at every T that is shown.
    """
    measured = take_measurements(conversion, images, judging, log=log)
    parts = {field.name: getattr(measured, field.name) for field in fields(measured)}
    return Judgement(**parts, diagnosis=diagnose_first(conversion, _judged(images, judging), judging))


def take_measurements(
    conversion: Conversion,
    images: ImageDataset | FolderImages,
    judging: Judging,
    *,
    log: Callable[..., None] = lambda **numbers: None,
) -> Measurements:
    """Judge a converted network without comparing layers; arguments as for `judge`."""
    if judging.threads:
        torch.set_num_threads(judging.threads)
    judged = _judged(images, judging)
    model, source, batches = conversion.model, conversion.source, Batches(judged, judging.batch_size)
    with _laid_out(judging.memory_format, model, source):
        over_time = accuracy_over_time(model, batches, judging.timesteps, source=source)
    for t in judging.shown:
        log(timesteps=t, accuracy=over_time.accuracy[t - 1], agreement=over_time.agreement[t - 1])
    counted = Batches(judged.subset(min(judging.counted_images, len(judged))), 10)
    image = next(iter(counted))[0][:1]
    return Measurements(
        judging,
        over_time,
        count_spikes(conversion.model, counted, timesteps=conversion.model.phases.steps(judging.timesteps)),
        count_operations(conversion.model, counted, timesteps=conversion.model.phases.steps(judging.timesteps)),
        count_macs(conversion.source, image, leaves=TRAINED),
        image,
    )


@contextmanager
def _laid_out(memory_format: str, *modules: nn.Module) -> Iterator[None]:
    """Within the block the weights of convolutions lie in another order in memory, and so do all activations."""
    if memory_format != "channels_last":
        yield
        return
    kept = [(part, part.data) for module in modules for part in module.parameters() if part.dim() == 4]
    for part, weights in kept:
        part.data = weights.contiguous(memory_format=torch.channels_last)
    try:
        yield
    finally:
        for part, weights in kept:
            part.data = weights


def _judged(images: ImageDataset | FolderImages, judging: Judging) -> ImageDataset | FolderImages:
    return images if judging.images is None else images.subset(judging.images)


def diagnose_first(conversion: Conversion, images: ImageDataset | FolderImages, judging: Judging) -> Diagnosis:
    """Compare layers on the first images of a split."""
    count = min(judging.diagnosed_images, len(images))
    few, _ = next(iter(Batches(images.subset(count), count)))
    return diagnose(conversion, few, judging.diagnosed_timesteps, tolerance=judging.tolerance)


def layer_figure(table: Table, tolerance: float, name: str = "layer_error") -> FigureSpec:
    """The figure of a diagnosis."""
    caption = "Error of every layer; the first above the tolerance is marked."
    return FigureSpec(name, "layer_error", caption, table.title, options={"error": "error", "limit": tolerance})


def judgement_report(
    name: str,
    conversion: Conversion,
    judgement: Judgement,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Report:
    """Everything about one judged conversion.

    Args:
        name: what was converted, by what.
        conversion: the converted network.
        judgement: what was found.
        config, environment: of the run.
    """
    recipe = type(conversion.recipe).__name__
    main = judgement.table(recipe)
    density = density_table(judgement)
    membranes, activity = activity_figures(conversion, judgement.image, judgement.judging.timesteps)
    errors = judgement.diagnosis.table()
    figures = (
        *main_figures(main),
        density_figure(density),
        layer_figure(errors, judgement.judging.tolerance),
        *activity,
    )
    tables = (
        main,
        errors,
        judgement.spikes.table(),
        density,
        judgement.operations.table(),
        conversion.table(),
        membranes,
    )
    notes = (judgement.diagnosis.verdict(), judgement.judging.cost_table.note)
    references = tuple(filter(None, (source_of(type(conversion.recipe)), judgement.judging.cost_table.source)))
    return Report(name, summary(recipe, judgement), config, environment, tables, figures, notes, references)


def density_table(judgement: Judgement) -> Table:
    """Spikes per neuron and step of every layer, at the shortest and the longest T that are shown."""
    shown = judgement.judging.shown
    return judgement.spikes.over_time(sorted({judgement.steps(shown[0]), judgement.steps(shown[-1])}))


def density_figure(table: Table, name: str = "density") -> FigureSpec:
    """The figure of a density table."""
    caption = "Spikes per neuron and step, layer by layer, over the first T steps."
    return FigureSpec(name, "density_per_layer", caption, table.title)


def main_figures(table: Table) -> tuple[FigureSpec, FigureSpec]:
    """Accuracy against T, and accuracy against energy."""
    return (
        FigureSpec(
            "accuracy",
            "accuracy_over_time",
            "Accuracy after T time steps; broken lines are the source networks, shaded the 95 % interval.",
            table.title,
        ),
        FigureSpec(
            "energy",
            "energy_against_accuracy",
            "Accuracy against energy per image; diamonds are the source networks.",
            table.title,
        ),
    )


def summary(recipe: str, judgement: Judgement) -> str:
    """The result in a few sentences: source, longest run, its price, and from which T on the two are alike."""
    over_time, timesteps = judgement.over_time, judgement.judging.timesteps
    source, last = over_time.source_accuracy or 0.0, over_time.accuracy[-1]
    ratio = judgement.energies[-1].ratio
    price = "" if ratio is None else f", for {ratio:.3f} of its energy"
    within = _within(over_time.accuracy, source - 0.01)
    near = f"from T = {within} on" if within else f"at no T up to {timesteps}"
    return (
        f"**{recipe}**: the source network reaches {100 * source:.2f} % of {over_time.samples:,} images, the spiking "
        f"network {100 * last:.2f} % at T = {timesteps}{price}. It gives {100 * over_time.agreement[-1]:.2f} % of the "
        f"images the source network's class, and stays within one point of its accuracy {near}."
    )


def _within(accuracy: Sequence[float], least: float) -> int | None:
    """The first T from which on no accuracy is below the least; None if even the last is."""
    below = [t for t, value in enumerate(accuracy, 1) if value < least]
    first = max(below, default=0) + 1
    return first if first <= len(accuracy) else None

"""Judging a converted network on a data set: accuracy at every T, spikes, operations, energy, layer errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..convert.diagnose import Diagnosis, diagnose
from ..convert.layers.qcfs import QCFSActivation
from ..convert.recipe import Conversion
from ..core.errors import ArgumentError, sentence
from ..core.references import source_of
from ..core.registry import pick
from ..data.batches import Batches
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..profile import COST_TABLES, Operations, SpikeCounts, count_macs, count_operations, count_spikes, energy_over_time
from ..report import Column, FigureSpec, Report, Table
from ..train.evaluate import AccuracyOverTime, accuracy_over_time, wilson
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

    def __post_init__(self) -> None:
        for name in ("timesteps", "batch_size", "counted_images", "diagnosed_images", "diagnosed_timesteps"):
            if getattr(self, name) < 1:
                raise ArgumentError(
                    sentence(f"Judging.{name}", repr(getattr(self, name)), "a whole number of at least 1")
                )
        if not self.at or min(self.at) < 1:
            raise ArgumentError(sentence("Judging.at", repr(self.at), "numbers of steps of at least 1"))
        pick(COST_TABLES, self.costs, "Judging.costs")

    @property
    def shown(self) -> tuple[int, ...]:
        """The numbers of steps shown: those of `at` up to T, and T itself."""
        return tuple(sorted({t for t in self.at if t <= self.timesteps} | {self.timesteps}))


@dataclass(frozen=True)
class Judgement:
    """What was found.

    Args:
        judging: how it was found.
        over_time: accuracy at every T.
        spikes: spikes per layer and step.
        operations: operations of the spiking network, per layer and step.
        source: operations of the source network, per layer.
        diagnosis: layer errors.
        image: the first image, [1, C, H, W].
    """

    judging: Judging
    over_time: AccuracyOverTime
    spikes: SpikeCounts
    operations: Operations
    source: Operations
    diagnosis: Diagnosis
    image: Tensor

    def table(self, recipe: str, title: str = "Result") -> Table:
        """One row for the source network, then one per shown T: accuracy, agreement, spikes, operations, energy."""
        columns = (
            Column("recipe"),
            Column("T", note="Time steps; a dash is the source network."),
            Column("accuracy", "%", 2),
            Column("low", "%", 2),
            Column("high", "%", 2, "Ends of the 95 % Wilson interval."),
            Column("agreement", "%", 2, "Images that get the source network's class."),
            Column("spikes", "", 3, "Per neuron and image, over all steps."),
            Column("operations", "million", 2, "Synops and MACs per image; the source network's are MACs."),
            Column(
                "energy", "J", 2, f"Per image, cost table {self.judging.costs}: arithmetic only, see docs/energy.md."
            ),
            Column("ratio", "", 3, "Energy divided by that of the source network."),
        )
        over_time, samples = self.over_time, self.over_time.samples
        costs = COST_TABLES[self.judging.costs]
        energies = energy_over_time(self.operations, costs, self.judging.shown, ann=self.source).energies
        right = over_time.source_correct or 0
        source = (recipe, None, right / samples, *wilson(right, samples), None, None)
        rows: list[tuple] = [(*source, self.source.totals().macs / 1e6, energies[0].ann_joule, None)]
        for t, energy in zip(self.judging.shown, energies):
            right, totals = over_time.correct[t - 1], self.operations.totals(t)
            judged = (right / samples, *wilson(right, samples), over_time.agreement[t - 1])
            spikes = self.spikes.spikes_per_sample(t) / self.spikes.neurons
            rows.append((recipe, t, *judged, spikes, (totals.synops + totals.macs) / 1e6, energy.joule, energy.ratio))
        caption = f"{samples:,} images; spikes, operations and energy on the first {self.operations.samples}."
        return Table(title, columns, tuple(rows), caption=caption)


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
    if judging.threads:
        torch.set_num_threads(judging.threads)
    judged = images if judging.images is None else images.subset(judging.images)
    over_time = accuracy_over_time(
        conversion.model, Batches(judged, judging.batch_size), judging.timesteps, source=conversion.source
    )
    for t in judging.shown:
        log(timesteps=t, accuracy=over_time.accuracy[t - 1], agreement=over_time.agreement[t - 1])
    counted = Batches(judged.subset(min(judging.counted_images, len(judged))), 10)
    image = next(iter(counted))[0][:1]
    return Judgement(
        judging,
        over_time,
        count_spikes(conversion.model, counted, timesteps=judging.timesteps),
        count_operations(conversion.model, counted, timesteps=judging.timesteps),
        count_macs(conversion.source, image, leaves=(QCFSActivation,)),
        diagnose_first(conversion, judged, judging),
        image,
    )


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
    main, shown = judgement.table(recipe), judgement.judging.shown
    density = judgement.spikes.over_time(shown[-1:])
    membranes, activity = activity_figures(conversion, judgement.image, judgement.judging.timesteps)
    errors = judgement.diagnosis.table()
    figures = (
        *main_figures(main),
        FigureSpec("density", "density_per_layer", f"Spikes per neuron and step, T = {shown[-1]}.", density.title),
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
    notes = (judgement.diagnosis.verdict(), COST_TABLES[judgement.judging.costs].note)
    references = tuple(filter(None, (source_of(type(conversion.recipe)), COST_TABLES[judgement.judging.costs].source)))
    return Report(name, summary(recipe, judgement), config, environment, tables, figures, notes, references)


def main_figures(table: Table) -> tuple[FigureSpec, FigureSpec]:
    """Accuracy against T, and accuracy against energy."""
    return (
        FigureSpec(
            "accuracy",
            "accuracy_over_time",
            "Accuracy after T time steps; dashed the source network, shaded the 95 % interval.",
            table.title,
        ),
        FigureSpec(
            "energy",
            "energy_against_accuracy",
            "Accuracy against energy per image; the diamond is the source network.",
            table.title,
        ),
    )


def summary(recipe: str, judgement: Judgement) -> str:
    """The result in two sentences."""
    over_time = judgement.over_time
    steps = ", ".join(f"{100 * over_time.accuracy[t - 1]:.2f} % at T = {t}" for t in judgement.judging.shown)
    source = f"{100 * (over_time.source_accuracy or 0):.2f} %"
    return f"**{recipe}**: the source network reaches {source}, the spiking network {steps}."

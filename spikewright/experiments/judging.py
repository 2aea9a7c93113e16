"""Judging a spiking network on a data set: accuracy at every T, spikes, operations, energy; layer errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ..coding import repeat
from ..convert.diagnose import diagnose
from ..convert.diagnosis import Diagnosis
from ..convert.layers import TRAINED
from ..convert.recipe import Conversion
from ..core.errors import ArgumentError, sentence
from ..core.registry import pick
from ..core.spiking import Spiking, Timed
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
    estimate,
    fires_several_bits,
    per_bit,
)
from ..report import Column, Table
from ..runtime import compile
from ..train.evaluate import AccuracyOverTime, accuracy_over_time, latencies, latency_columns, wilson

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PLANNED = 8
COUNTED_ROWS = 320
"""Images times time steps that are counted at once: counting holds several layers' activations of all of them."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """On what a spiking network is judged, and how.

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
        engine: what runs the spiking network while accuracy is taken: torch, or the event runtime, whose plan is then
            part of the report.
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
    engine: Literal["torch", "events"] = "torch"

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


_AGREEMENT = (Column("agreement", "%", 2, "Images that get the source network's class."),)
_FIRING_RATE = (Column("firing rate", "", 4, "Spikes per neuron and time step."),)
_SOURCE_MACS = "Millions of multiply-accumulates per image: the source network, and analog input."
_INPUT_MACS = "Millions of multiply-accumulates of analog values per image."
_RATIO = (Column("ratio", "", 3, "Energy divided by that of the source network."),)
_PER_BIT = (
    Column("synops per bit", "M", 2, "The same with each binary spike of an output counted (per_bit)."),
    Column("ratio per bit", "", 3, "Energy ratio with each binary spike counted."),
)


@dataclass(frozen=True)
class Measurements:
    """What a spiking network delivers, and what it does for that.

    Args:
        judging: how it was found.
        over_time: accuracy at every T.
        spikes: spikes per layer and step.
        operations: operations of the spiking network, per layer and step.
        source: operations of the source network, per layer; None for a network that was trained as a spiking one.
        per_bit: operations with every binary spike counted; None where no neuron fires several in one step.
        image: the first image, [1, C, H, W].
        plan: what the event runtime did, layer by layer, with a few images; None where torch ran the network.
    """

    judging: Judging
    over_time: AccuracyOverTime
    spikes: SpikeCounts
    operations: Operations
    source: Operations | None
    per_bit: Operations | None
    image: Tensor
    plan: Table | None

    @property
    def energies(self) -> tuple[Energy, ...]:
        """Energy of the network, and of its source, at every shown T, a rehearsal included."""
        costs, steps = self.judging.cost_table, [self.steps(t) for t in self.judging.shown]
        return energy_over_time(self.operations, costs, steps, ann=self.source).energies

    def steps(self, timesteps: int) -> int:
        """The steps that are run for T that count: a rehearsal, and a window that layers replay, cost energy too."""
        return self.over_time.phases.steps(timesteps)

    def _counted_in_bits(self, timesteps: int) -> tuple[float | None, ...]:
        if self.per_bit is None:
            return ()
        steps = self.steps(timesteps)
        energy = estimate(self.per_bit, self.judging.cost_table, ann=self.source, timesteps=steps)
        return (self.per_bit.totals(steps).synops / 1e6, energy.ratio)[: self._per_bit_columns]

    @property
    def _per_bit_columns(self) -> int:
        return 0 if self.per_bit is None else 1 if self.source is None else 2

    def table(self, recipe: str, title: str = "Result") -> Table:
        """One row for the source network, if there is one, then one per shown T: accuracy, spikes, operations, energy.

        Args:
            recipe: what the network is called in the first column: the method, or the neurons.
            title: of the table.
        """
        phases, compared = self.over_time.phases, self.source is not None
        columns = (
            Column("recipe"),
            Column("T", note="Time steps; a dash is the source network." if compared else "Time steps."),
            *latency_columns(phases),
            Column("accuracy", "%", 2),
            Column("low", "%", 2),
            Column("high", "%", 2, "Ends of the 95 % Wilson interval."),
            *(_AGREEMENT if compared else ()),
            Column("spikes", "", 3, "Per neuron and image, over all steps."),
            *(() if compared else _FIRING_RATE),
            Column("synops", "M", 2, "Millions of synaptic operations per image: accumulations caused by spikes."),
            Column("MACs", "M", 2, _SOURCE_MACS if compared else _INPUT_MACS),
            Column(
                "energy", "J", 2, f"Per image, cost table {self.judging.costs}: arithmetic only, see docs/energy.md."
            ),
            *(_RATIO if compared else ()),
            *_PER_BIT[: self._per_bit_columns],
        )
        over_time, samples, energies = self.over_time, self.over_time.samples, self.energies
        rows: list[tuple] = []
        if self.source is not None:
            right = over_time.source_correct or 0
            judged = (right / samples, *wilson(right, samples))
            counted = (None, None, None, self.source.totals().macs / 1e6, energies[0].ann_joule, None)
            none = (None,) * self._per_bit_columns
            rows.append((f"{recipe} ANN", None, *latencies(phases, None), *judged, *counted, *none))
        for t, energy in zip(self.judging.shown, energies):
            right, totals = over_time.correct[t - 1], self.operations.totals(self.steps(t))
            judged = (right / samples, *wilson(right, samples), *over_time.agreement[t - 1 : t])
            spikes = self.spikes.spikes_per_sample(self.steps(t)) / self.spikes.neurons
            rate = () if compared else (self.spikes.firing_rate(self.steps(t)),)
            counted = (spikes, *rate, totals.synops / 1e6, totals.macs / 1e6)
            energy_columns = (energy.joule, *((energy.ratio,) if compared else ()), *self._counted_in_bits(t))
            rows.append((recipe, t, *latencies(phases, t), *judged, *counted, *energy_columns))
        events = self.operations.events
        caption = (
            f"{samples:,} images; spikes, operations and energy on the first {self.operations.samples}; "
            f"{events.name}: {events.note}."
        )
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
    fabric: Fabric | None = None,
) -> Judgement:
    """Judge a converted network on the images of one split.

    Args:
        conversion: the converted network.
        images: the split.
        judging: how to judge.
        log: called with accuracy and agreement at every T that is shown.
        fabric: several processes, each of which judges its share of every batch; all get the same result.
    """
    measured = take_measurements(conversion, images, judging, log=log, fabric=fabric)
    parts = {field.name: getattr(measured, field.name) for field in fields(measured)}
    return Judgement(**parts, diagnosis=diagnose_first(conversion, _judged(images, judging), judging))


def take_measurements(
    conversion: Conversion,
    images: ImageDataset | FolderImages,
    judging: Judging,
    *,
    log: Callable[..., None] = lambda **numbers: None,
    fabric: Fabric | None = None,
) -> Measurements:
    """Judge a converted network without comparing layers; arguments as for `judge`."""
    return measure(conversion.model, conversion.source, images, judging, log=log, fabric=fabric)


def measure(
    model: Spiking,
    source: nn.Module | None,
    images: ImageDataset | FolderImages,
    judging: Judging,
    *,
    log: Callable[..., None] = lambda **numbers: None,
    fabric: Fabric | None = None,
) -> Measurements:
    """Judge any spiking network.

    Args:
        model: the network.
        source: the network that it was converted from; none for one that was trained as a spiking one.
        images, judging, log, fabric: as for `judge`.
    """
    if judging.threads:
        torch.set_num_threads(judging.threads)
    judged = _judged(images, judging)
    batches = Batches(judged, judging.batch_size)
    rank, world_size = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)
    own = Batches(judged, judging.batch_size, rank=rank, world_size=world_size)
    steps = model.phases.steps(judging.timesteps)
    engine, plan = _engine(model.eval(), judging, steps, next(iter(batches))[0])
    run = (*(() if source is None else (source,)), *((model,) if engine is model else ()))
    with _laid_out(judging.memory_format, *run):
        over_time = accuracy_over_time(engine, own, judging.timesteps, source=source, fabric=fabric)
    for t in judging.shown:
        agreement = {} if source is None else {"agreement": over_time.agreement[t - 1]}
        log(timesteps=t, accuracy=over_time.accuracy[t - 1], **agreement)
    at_once = max(1, min(10, COUNTED_ROWS // steps))
    counted = Batches(judged.subset(min(judging.counted_images, len(judged))), at_once)
    image = next(iter(counted))[0][:1]
    return Measurements(
        judging,
        over_time,
        count_spikes(model, counted, timesteps=steps),
        count_operations(model, counted, timesteps=steps),
        None if source is None else count_macs(source, image, leaves=TRAINED),
        count_operations(model, counted, timesteps=steps, events=per_bit) if fires_several_bits(model) else None,
        image,
        plan,
    )


def _engine(model: Spiking, judging: Judging, steps: int, images: Tensor) -> tuple[Timed, Table | None]:
    """What runs the network, and its plan on a few of the first images."""
    if judging.engine == "torch":
        return model, None
    few = repeat(images[:_PLANNED], steps)
    network = compile(model, few)
    return network, network.explain(few)


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
    """Compare layers on the first images of a split, on no more than are judged."""
    images = _judged(images, judging)
    count = min(judging.diagnosed_images, len(images))
    few, _ = next(iter(Batches(images.subset(count), count)))
    return diagnose(conversion, few, judging.diagnosed_timesteps, tolerance=judging.tolerance)

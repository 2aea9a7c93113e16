"""Spikes of a model: how many, where, at which step; averaged over all samples and steps of all batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import ArgumentError, DataError, sentence
from ..core.input_error import readable_input
from ..core.layer_outputs import emits_spikes
from ..core.observe import observe
from ..core.spiking import Spiking
from ..core.temporal import unfold
from ..report.table import Column, Table
from .batches import FITTING, Batches, on_device_of, sequences
from .events import Events, check_events, per_output
from .steps import checked_steps
from .units import spikes_of


@dataclass(frozen=True, eq=False)
class LayerSpikes:
    """Spikes of one layer of neurons.

    Args:
        layer: the neurons' place in the network; a second call in one forward pass has a number behind it.
        neurons: number of neurons.
        samples: number of inputs.
        spikes: spikes at each step, summed over neurons and samples, [T]. A signed spike counts as one.
        silent: pairs of neuron and sample without a spike in T steps.
        constant: pairs of neuron and sample with a spike at every step.
        fired: whether a neuron fired for any sample, [neurons].
    """

    layer: str
    neurons: int
    samples: int
    spikes: NDArray[np.int64]
    silent: int
    constant: int
    fired: NDArray[np.bool_]

    def __repr__(self) -> str:
        where = f"{self.layer}: {self.neurons:,} neurons, T = {len(self.spikes)}"
        return f"LayerSpikes({where}, {self.samples} samples, firing rate {self.firing_rate():.4g})"

    def firing_rate(self, timesteps: int | None = None) -> float:
        """Spikes per neuron and time step over the first steps; the density of the layer."""
        steps = self.spikes[:timesteps]
        return float(steps.sum() / (self.neurons * self.samples * len(steps)))

    @property
    def silent_share(self) -> float:
        """Share of neurons that stay silent, mean over samples."""
        return self.silent / (self.neurons * self.samples)

    @property
    def constant_share(self) -> float:
        """Share of neurons that fire at every step, mean over samples."""
        return self.constant / (self.neurons * self.samples)

    @property
    def dead_share(self) -> float:
        """Share of neurons that fired for no sample at all."""
        return 1 - float(self.fired.mean())

    def __add__(self, other: LayerSpikes) -> LayerSpikes:
        """The sum over two batches."""
        return replace(
            self,
            samples=self.samples + other.samples,
            spikes=self.spikes + other.spikes,
            silent=self.silent + other.silent,
            constant=self.constant + other.constant,
            fired=self.fired | other.fired,
        )


@dataclass(frozen=True, eq=False)
class SpikeCounts:
    """Spikes of all layers of neurons. Counts of two batches add up with `+`.

    Args:
        layers: in order of execution.
        timesteps: T of the run.
        samples: number of inputs.
        events: how outputs of several sizes were counted.
    """

    layers: tuple[LayerSpikes, ...]
    timesteps: int
    samples: int
    events: Events = per_output

    def __repr__(self) -> str:
        where = f"{len(self.layers)} layers of {self.neurons:,} neurons, T = {self.timesteps}"
        return f"SpikeCounts({where}, {self.samples} samples, {self.spikes_per_sample():,.1f} spikes per sample)"

    @property
    def neurons(self) -> int:
        """Number of neurons of all layers."""
        return sum(layer.neurons for layer in self.layers)

    def spikes_per_sample(self, timesteps: int | None = None) -> float:
        """Spikes of all layers in the first steps, mean per sample."""
        steps = checked_steps(timesteps, self.timesteps)
        return sum(int(layer.spikes[:steps].sum()) for layer in self.layers) / self.samples

    def firing_rate(self, timesteps: int | None = None) -> float:
        """Spikes per neuron and step over all layers and the first steps."""
        return self.spikes_per_sample(timesteps) / (self.neurons * checked_steps(timesteps, self.timesteps))

    def __add__(self, other: SpikeCounts) -> SpikeCounts:
        """The counts of both.

        Raises:
            DataError: if they come from different networks, or from inputs of different length or shape.
        """
        mine, yours = ((c.timesteps, [(x.layer, x.neurons) for x in c.layers]) for c in (self, other))
        if mine != yours:
            raise DataError(
                sentence(
                    "SpikeCounts",
                    f"counts of T = {self.timesteps}, {self.neurons} neurons and of T = {other.timesteps}, "
                    f"{other.neurons} neurons",
                    "counts of one network on inputs of one shape and T",
                    "Count them apart",
                )
            )
        layers = tuple(a + b for a, b in zip(self.layers, other.layers))
        return SpikeCounts(layers, self.timesteps, self.samples + other.samples)

    def table(self) -> Table:
        """One row per layer, over all steps."""
        columns = (
            Column("layer"),
            Column("neurons"),
            Column("spikes", note="Per sample, over all steps."),
            Column("firing_rate", digits=4, note="Spikes per neuron and time step."),
            Column("silent", "%", note="Neurons without a spike, mean over samples."),
            Column("constant", "%", note="Neurons that fire at every step, mean over samples."),
            Column("dead", "%", note="Neurons that fired for no sample."),
        )
        rows = tuple(
            (
                layer.layer,
                layer.neurons,
                float(layer.spikes.sum() / self.samples),
                layer.firing_rate(),
                layer.silent_share,
                layer.constant_share,
                layer.dead_share,
            )
            for layer in self.layers
        )
        caption = f"T = {self.timesteps}, {self.samples} samples; {self.events.name}: {self.events.note}."
        return Table("Spikes", columns, rows, caption=caption)

    def over_time(self, timesteps: Sequence[int]) -> Table:
        """One row per layer and number of steps: the firing rate over the first steps.

        Args:
            timesteps: numbers of steps, each 1..T.
        """
        if not isinstance(timesteps, Sequence):
            raise ArgumentError(sentence("over_time.timesteps", repr(timesteps), "numbers of steps, e.g. (1, 2)"))
        rows = tuple(
            (layer.layer, steps, layer.firing_rate(checked_steps(steps, self.timesteps)))
            for steps in timesteps
            for layer in self.layers
        )
        columns = (Column("layer"), Column("T"), Column("firing_rate", digits=4, note="Spikes per neuron and step."))
        return Table("Firing rate", columns, rows, caption=f"{self.samples} samples.")


def count_spikes(
    model: Spiking, batches: Batches, *, timesteps: int | None = None, events: Events = per_output
) -> SpikeCounts:
    """Count the spikes of every layer of neurons on data; the model may be untraceable.

    Read-out neurons, whose output is no spikes, are left out. Runs in `eval()`; modes and hooks are as before after it.

    Args:
        model: a spiking model.
        batches: one tensor, or batches (inputs, or tuples that start with them): sequences [T, N, ...], or images
            [N, ...] if `timesteps` is given.
        timesteps: repeat each image that often.
        events: how the outputs of neurons that fire spikes of several sizes are counted, `per_output` or `per_bit`.

    Raises:
        ShapeError: for an input of the wrong shape or dtype.
        ArgumentError: if the model is no `Spiking` model, holds no spiking neuron, or a neuron's output is no whole
            number of spikes.
        DataError: if there is no batch, or batches that do not fit together.

    Example:
        >>> from spikewright.neurons import IF
        >>> counts = count_spikes(Spiking(IF()), torch.tensor([[[0.5, 1.0]], [[0.5, 1.0]]]))
        >>> counts.layers[0].spikes.tolist(), counts.firing_rate()
        ([1, 2], 0.75)
    """
    if not isinstance(model, Spiking):
        raise ArgumentError(
            sentence("count_spikes", type(model).__name__, "a Spiking model", "Wrap the network: Spiking(network)")
        )
    if not any(emits_spikes(part) for part in model.modules()):
        raise ArgumentError(
            sentence("count_spikes", "a model without spiking neurons", "at least one", "Convert the network first")
        )
    check_events(events, "count_spikes")
    counted = (_counted(model, on_device_of(model, xs), events) for xs in sequences(batches, timesteps, "count_spikes"))
    first = next(counted, None)
    if first is None:
        raise DataError(sentence("count_spikes", "no batch", "at least one"))
    return replace(reduce(add, counted, first), events=events)


@torch.inference_mode()
def _counted(model: Spiking, xs: Tensor, events: Events) -> SpikeCounts:
    layers: list[LayerSpikes] = []
    calls: Counter[str] = Counter()

    def see(name: str, module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        name = name.removeprefix("module.")
        calls[name] += 1
        site = name if calls[name] == 1 else f"{name}_{calls[name]}"
        layers.append(_layer(site, spikes_of(module, unfold(out, xs.shape[0]), site, events)))

    with evaluating(model), observe(model, emits_spikes, see), readable_input("count_spikes", xs, FITTING):
        model(xs)
    if not layers:
        raise ArgumentError(
            sentence("count_spikes", "a model that calls none of its spiking neurons", "one that calls at least one")
        )
    return SpikeCounts(tuple(layers), xs.shape[0], xs.shape[1])


def _layer(site: str, counts: Tensor) -> LayerSpikes:
    timesteps, samples = counts.shape[:2]
    flat = counts.reshape(timesteps, samples, -1)
    active = flat > 0
    some, every = active.any(0), active.all(0)
    return LayerSpikes(
        layer=site,
        neurons=flat.shape[2],
        samples=samples,
        spikes=flat.sum((1, 2), dtype=torch.int64).cpu().numpy(),
        silent=int((~some).sum()),
        constant=int(every.sum()),
        fired=some.any(0).cpu().numpy(),
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in `eval()` within the block; each module's own mode is back after it."""
    modes = {part: part.training for part in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training

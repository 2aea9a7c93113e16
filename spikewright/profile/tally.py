"""The result of a count: operations per layer and time step, added up over batches, shown as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import named
from ..core.errors import ArgumentError, DataError, sentence
from ..report.table import Column, Table
from .convention import Convention, analog_each_step
from .events import Events, per_output
from .steps import checked_steps

Steps = NDArray[np.int64]
KINDS = ("synops", "macs", "additions", "updates")


@dataclass(frozen=True, eq=False)
class LayerOperations:
    """Operations of one layer, at each time step, summed over all samples: arrays [T] of whole numbers.

    Args:
        layer: the call's place in the network.
        operation: class of the module, or name of the function or method.
        spiking: whether spikes drive it; then `exact_macs` is what it would cost with an analog input.
        static: whether its input was analog and the same at every step.
        synops: synaptic operations, accumulations that single spikes cause.
        macs: multiply-accumulates of analog values, padding taps left out.
        additions: additions of biases, pools and analog sums.
        updates: neuron updates.
        kept: additions of a current that is kept from the first step, under `analog_once`.
        exact_macs, dense_macs: multiply-accumulates of one step and sample of this synaptic layer if its input is
            analog, without and with padding taps and weights of zero.
        weights: stored weights.
    """

    layer: str
    operation: str
    spiking: bool
    static: bool
    synops: Steps
    macs: Steps
    additions: Steps
    updates: Steps
    kept: Steps
    exact_macs: int
    dense_macs: int
    weights: int

    def __repr__(self) -> str:
        counts = ", ".join(f"{int(getattr(self, kind).sum()):,} {kind}" for kind in KINDS)
        return f"LayerOperations({self.layer}: {self.operation}, T = {len(self.synops)}, {counts})"

    def charged(self, kind: str, convention: Convention = analog_each_step) -> Steps:
        """One of `KINDS` at each step, [T], as a convention charges it."""
        if not isinstance(convention, Convention):
            raise ArgumentError(sentence("convention", named(convention), "analog_each_step or analog_once"))
        steps: Steps = getattr(self, kind)
        if not (convention.once and self.static):
            return steps
        if kind in ("macs", "additions"):
            steps = np.where(np.arange(len(steps)) == 0, steps, 0)
        return steps + self.kept if kind == "additions" else steps

    def __add__(self, other: LayerOperations) -> LayerOperations:
        """The sum over two batches; static only if both were."""
        summed = {kind: getattr(self, kind) + getattr(other, kind) for kind in (*KINDS, "kept")}
        return replace(self, static=self.static and other.static, **summed)


@dataclass(frozen=True)
class Totals:
    """Operations of a whole network over some time steps, mean per sample."""

    synops: float
    macs: float
    additions: float
    updates: float


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations of a network on data. Counts of two batches add up with `+`.

    Args:
        layers: in order of execution; a module called twice has two.
        timesteps: T of the run.
        samples: number of inputs.
        uncounted: operations whose cost is not known and that are left out, with how often they are called.
        events: how outputs of several sizes were counted.
    """

    layers: tuple[LayerOperations, ...]
    timesteps: int
    samples: int
    uncounted: tuple[tuple[str, int], ...] = ()
    events: Events = per_output

    def __repr__(self) -> str:
        counts = ", ".join(f"{number:,.1f} {kind}" for kind, number in vars(self.totals()).items())
        where = f"{len(self.layers)} layers, T = {self.timesteps}, {self.samples} samples"
        return f"Operations({where}; per sample {counts})"

    @property
    def exact_macs(self) -> int:
        """MACs of all synaptic layers, one sample and step, if every input is analog; padding taps left out."""
        return sum(layer.exact_macs for layer in self.layers)

    @property
    def dense_macs(self) -> int:
        """The same with padding taps: half of what counters of floating-point operations give."""
        return sum(layer.dense_macs for layer in self.layers)

    def layer(self, name: str) -> LayerOperations:
        """The layer of a name.

        Raises:
            ArgumentError: if there is none.
        """
        for layer in self.layers:
            if layer.layer == name:
                return layer
        raise ArgumentError(
            sentence("Operations.layer", repr(name), f"one of {', '.join(layer.layer for layer in self.layers)}")
        )

    def totals(self, timesteps: int | None = None, *, convention: Convention = analog_each_step) -> Totals:
        """Operations up to a time step, summed over layers, mean per sample.

        Args:
            timesteps: 1..T; None for all.
            convention: `analog_each_step` or `analog_once`.

        Raises:
            ArgumentError: for timesteps outside 1..T.
        """
        steps = checked_steps(timesteps, self.timesteps)
        sums = {
            kind: sum(int(layer.charged(kind, convention)[:steps].sum()) for layer in self.layers) / self.samples
            for kind in KINDS
        }
        return Totals(**sums)

    def __add__(self, other: Operations) -> Operations:
        """The counts of both.

        Raises:
            DataError: if they come from different networks, or from inputs of different length or shape.
        """
        if self._shape() != other._shape():
            raise DataError(
                sentence(
                    "Operations",
                    f"counts of T = {self.timesteps} with {len(self.layers)} layers and of T = {other.timesteps} with "
                    f"{len(other.layers)} layers, or inputs of different shape",
                    "counts of one network on inputs of one shape and T",
                    "Count them apart",
                )
            )
        layers = tuple(mine + yours for mine, yours in zip(self.layers, other.layers))
        return replace(self, layers=layers, samples=self.samples + other.samples)

    def _shape(self) -> tuple:
        layers = tuple(
            (layer.layer, layer.operation, layer.spiking, layer.exact_macs, layer.dense_macs, layer.weights)
            for layer in self.layers
        )
        return self.timesteps, layers, self.uncounted

    def table(self, timesteps: int | None = None, *, convention: Convention = analog_each_step) -> Table:
        """One row per layer: operations up to a time step, mean per sample.

        Args:
            timesteps: 1..T; None for all.
            convention: `analog_each_step` or `analog_once`.
        """
        steps = checked_steps(timesteps, self.timesteps)
        columns = (
            Column("layer"),
            Column("operation"),
            Column("input", note="static: analog and the same at every step."),
            Column("synops", note="Accumulations, one per spike and output that it reaches."),
            Column("MACs", note="Multiply-accumulates of analog values, padding taps left out."),
            Column("additions", note="Biases, pools and sums of analog values."),
            Column("updates", note="Neuron updates."),
            Column(
                "synops per MAC",
                digits=3,
                note="Synops divided by the MACs of T analog runs; above 1 only behind a pool.",
            ),
            Column("exact MACs", note="MACs of one analog run, padding taps left out."),
            Column("dense MACs", note="The same with padding taps, as counters of operations give it."),
        )
        rows = tuple(self._row(layer, steps, convention) for layer in self.layers)
        left_out = ", ".join(f"{name} ({times})" for name, times in self.uncounted)
        return Table(
            "Operations",
            columns,
            rows,
            caption=f"Mean per sample over T = {steps}, {self.samples} samples; {convention.name}: {convention.note}; "
            f"{self.events.name}: {self.events.note}.",
            notes=(f"Not counted, their cost is not known: {left_out}.",) if left_out else (),
        )

    def _row(self, layer: LayerOperations, steps: int, convention: Convention) -> tuple:
        counted = [float(layer.charged(kind, convention)[:steps].sum() / self.samples) for kind in KINDS]
        kind = "spikes" if layer.spiking else "static" if layer.static and self.timesteps > 1 else "analog"
        share = counted[0] / (steps * layer.exact_macs) if layer.spiking and layer.exact_macs else None
        geometry = (layer.exact_macs or None, layer.dense_macs or None)
        return (layer.layer, layer.operation, kind, *counted, share, *geometry)


def check_counts(operations: object, who: str) -> None:
    """Raise ArgumentError unless it is what `count_operations` or `count_macs` returns."""
    if not isinstance(operations, Operations):
        raise ArgumentError(sentence(who, named(operations), "what count_operations or count_macs returns"))

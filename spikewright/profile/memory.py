"""A second estimate beside the arithmetic: the energy of reading weights, under two stated assumptions of reuse."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..report.table import Column, Table
from .convention import Convention, analog_each_step
from .costs import QUOTED, UNCHECKED
from .steps import checked_steps
from .tally import Operations, check_counts


@dataclass(frozen=True)
class MemoryTable:
    """Energy of reading one 32-bit weight.

    Args:
        name: its name in reports.
        read_joule: joules per read.
        source: where the figure is published, and what is derived.
    """

    name: str
    read_joule: float
    source: str


_SOURCE = (
    'Horowitz 2014, "Computing\'s Energy Problem (and what we can do about it)", ISSCC 2014, figure 1.1.9, '
    "doi 10.1109/ISSCC.2014.6757323: 45 nm; half of the published energy of a 64-bit access"
)
SRAM_8KB = MemoryTable("sram_8kB", 5e-12, f"{_SOURCE}, 10 pJ, {QUOTED}")
SRAM_32KB = MemoryTable("sram_32kB", 10e-12, f"{_SOURCE}, 20 pJ, {UNCHECKED}")
SRAM_1MB = MemoryTable("sram_1MB", 50e-12, f"{_SOURCE}, 100 pJ, {UNCHECKED}")
DRAM = MemoryTable("dram", 650e-12, f"{_SOURCE}, 1.3 nJ, the lower end of 1.3 to 2.6 nJ, {UNCHECKED}")

MEMORY_TABLES = {table.name: table for table in (SRAM_8KB, SRAM_32KB, SRAM_1MB, DRAM)}
"""Name -> table, for flags and reports."""


@dataclass(frozen=True)
class WeightReads:
    """Weight reads of one inference, mean per sample, and their energy.

    Both assumptions count weights only: no membrane potentials, activations, or spike addresses.

    Args:
        memory: where the weights are.
        timesteps: T.
        no_reuse: one read per synaptic operation and per multiply-accumulate.
        full_reuse: each weight once per step in which its layer works for any sample; so once per image for an
            ordinary network.
    """

    memory: MemoryTable
    timesteps: int
    no_reuse: float
    full_reuse: float

    def table(self) -> Table:
        """One row per assumption."""
        columns = (
            Column("assumption"),
            Column("weight reads", note="Per sample."),
            Column("energy", "J", note="Per sample, for reading weights only."),
        )
        reads = (("no reuse", self.no_reuse), ("full reuse", self.full_reuse))
        rows = tuple((name, count, count * self.memory.read_joule) for name, count in reads)
        return Table(
            "Weight reads",
            columns,
            rows,
            caption=f"{self.memory.name}, T = {self.timesteps}.",
            notes=(
                f"Source: {self.memory.source}.",
                "No reuse: a read per synaptic operation and per multiply-accumulate. Full reuse: each weight is read "
                "once per time step in which its layer works.",
            ),
        )


def weight_reads(
    operations: Operations,
    memory: MemoryTable,
    *,
    timesteps: int | None = None,
    convention: Convention = analog_each_step,
) -> WeightReads:
    """Count the weights that are read, without and with full reuse.

    Args:
        operations: what `count_operations` or `count_macs` found.
        memory: where the weights are, e.g. `SRAM_1MB`.
        timesteps: the first steps only, 1..T; None for all.
        convention: `analog_each_step` or `analog_once`.

    Raises:
        ArgumentError: for timesteps outside 1..T, or counts that hold no weights.

    Example:
        >>> from torch import nn, ones
        >>> from spikewright.profile import SRAM_1MB, count_macs
        >>> reads = weight_reads(count_macs(nn.Conv2d(1, 1, 3), ones(1, 1, 4, 4)), SRAM_1MB)
        >>> reads.no_reuse, reads.full_reuse
        (36.0, 9.0)
    """
    check_counts(operations, "weight_reads.operations")
    if not isinstance(memory, MemoryTable):
        allowed = f"a memory table, one of {', '.join(MEMORY_TABLES)}"
        raise ArgumentError(sentence("weight_reads.memory", named(memory), allowed, "Look it up: MEMORY_TABLES[name]"))
    synaptic = [layer for layer in operations.layers if layer.weights]
    if not synaptic:
        raise ArgumentError(sentence("weight_reads", "counts without a synaptic layer", "a network with weights"))
    steps = checked_steps(timesteps, operations.timesteps)
    every, reused = 0, 0
    for layer in synaptic:
        work = layer.charged("synops", convention)[:steps] + layer.charged("macs", convention)[:steps]
        every += int(work.sum())
        reused += layer.weights * int((work > 0).sum())
    return WeightReads(memory, steps, every / operations.samples, float(reused))

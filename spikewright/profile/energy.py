"""Energy of a network's operations under a named cost table, beside that of its source network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence
from ..report.numbers import Cell
from ..report.table import Column, Table
from .convention import Convention, analog_each_step
from .costs import COST_TABLES, CostTable
from .steps import checked_steps
from .tally import Operations, Totals, check_counts

PARTS = {"synops": "ac_joule", "macs": "mac_joule", "additions": "addition_joule", "updates": "neuron_update_joule"}
"""Kind of operation -> its price in a `CostTable`."""


@dataclass(frozen=True)
class Part:
    """Energy of one kind of operation, mean per sample.

    Args:
        kind: "synops", "macs", "additions" or "updates".
        count: operations.
        joule: their energy; None if the cost table gives no price.
    """

    kind: str
    count: float
    joule: float | None

    @property
    def missing(self) -> bool:
        """Whether there are such operations, but no price."""
        return self.joule is None and self.count > 0


@dataclass(frozen=True)
class Energy:
    """Energy of one inference, mean per sample.

    Args:
        costs: the cost table.
        convention: how repeated analog work is charged.
        timesteps: T.
        parts: one per kind of operation.
        ann: energy of the source network's parts; empty if none was given.
    """

    costs: CostTable
    convention: Convention
    timesteps: int
    parts: tuple[Part, ...]
    ann: tuple[Part, ...] = ()

    @property
    def joule(self) -> float:
        """Sum of the parts that have a price; a lower bound if `unpriced` is not empty."""
        return sum(part.joule or 0.0 for part in self.parts)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Kinds of operations that occur and have no price."""
        return tuple(part.kind for part in self.parts if part.missing)

    @property
    def ann_joule(self) -> float | None:
        """Energy of the source network; None if it is not given or not defined under this table."""
        if not self.ann or any(part.missing for part in self.ann):
            return None
        return sum(part.joule or 0.0 for part in self.ann)

    @property
    def ratio(self) -> float | None:
        """This network's energy divided by its source network's; None unless both are defined in full."""
        if self.unpriced or not self.ann_joule:
            return None
        return self.joule / self.ann_joule

    def table(self) -> Table:
        """One row per kind of operation."""
        columns = (
            Column("operations"),
            Column("count", note="Per sample."),
            Column("energy", "J", note="Per sample; a dash where the cost table gives no price."),
            Column("ANN count"),
            Column("ANN energy", "J"),
        )
        sources = self.ann or (None,) * len(self.parts)
        rows = tuple(
            (part.kind, part.count, part.joule, *((source.count, source.joule) if source else (None, None)))
            for part, source in zip(self.parts, sources)
        )
        total = ("all", None, self.joule, None, self.ann_joule)
        return Table("Energy", columns, (*rows, total), caption=_caption(self), notes=_notes((self,)))


@dataclass(frozen=True)
class EnergyOverTime:
    """Energy of one inference at several T, all from one run.

    Args:
        energies: one per T.
    """

    energies: tuple[Energy, ...]

    def table(self) -> Table:
        """One row per T, and one without T for the source network, if it is given."""
        columns = (
            Column("network"),
            Column("T"),
            Column("synops", note="Per sample, over all steps."),
            Column("MACs"),
            Column("updates"),
            Column("energy", "J", note="Per sample."),
            Column("ratio", digits=3, note="Energy divided by that of the source network (ANN)."),
        )
        first = self.energies[0]
        rows: list[tuple[Cell, ...]] = [
            ("SNN", energy.timesteps, *_counts(energy.parts), energy.joule, energy.ratio) for energy in self.energies
        ]
        if first.ann:
            ann = first.ann_joule
            rows.append(("ANN", None, *_counts(first.ann), ann, None if ann is None else 1.0))
        return Table("Energy over time", columns, tuple(rows), caption=_caption(first), notes=_notes(self.energies))


def estimate(
    operations: Operations,
    costs: CostTable,
    *,
    ann: Operations | None = None,
    timesteps: int | None = None,
    convention: Convention = analog_each_step,
) -> Energy:
    """Price the operations of a network.

    Args:
        operations: what `count_operations` found.
        costs: a cost table, e.g. `FLOAT32_45NM`.
        ann: what `count_macs` found for the source network, for the ratio.
        timesteps: price the first steps only, 1..T; None for all.
        convention: `analog_each_step` or `analog_once`.

    Raises:
        ArgumentError: for timesteps outside 1..T, or a source network that was run for more than one step.

    Example:
        >>> from torch import nn, ones
        >>> from spikewright.profile import FLOAT32_45NM, count_macs
        >>> counted = count_macs(nn.Linear(10, 10, bias=False), ones(1, 10))
        >>> f"{estimate(counted, FLOAT32_45NM).joule:.3g} J"
        '4.6e-10 J'
    """
    check_counts(operations, "estimate.operations")
    if ann is not None:
        check_counts(ann, "estimate.ann")
    if not isinstance(costs, CostTable):
        allowed = f"a cost table, one of {', '.join(COST_TABLES)}"
        raise ArgumentError(sentence("estimate.costs", named(costs), allowed, "Look it up: COST_TABLES[name]"))
    if ann is not None and ann.timesteps != 1:
        raise ArgumentError(
            sentence("estimate.ann", f"counts over {ann.timesteps} time steps", "those of count_macs(source, images)")
        )
    totals = operations.totals(timesteps, convention=convention)
    steps = checked_steps(timesteps, operations.timesteps)
    source = () if ann is None else _priced(ann.totals(), costs)
    return Energy(costs, convention, steps, _priced(totals, costs), source)


def energy_over_time(
    operations: Operations,
    costs: CostTable,
    timesteps: Sequence[int],
    *,
    ann: Operations | None = None,
    convention: Convention = analog_each_step,
) -> EnergyOverTime:
    """Price the first T steps of one run, for several T.

    Args:
        operations, costs, ann, convention: as in `estimate`.
        timesteps: numbers of steps, each 1..T.

    Raises:
        ArgumentError: as in `estimate`, and if no T is given.
    """
    if not isinstance(timesteps, Sequence):
        raise ArgumentError(sentence("energy_over_time.timesteps", named(timesteps), "numbers of steps, e.g. (1, 2)"))
    if not timesteps:
        raise ArgumentError(sentence("energy_over_time.timesteps", "none", "at least one number of steps"))
    return EnergyOverTime(
        tuple(estimate(operations, costs, ann=ann, timesteps=steps, convention=convention) for steps in timesteps)
    )


def _priced(totals: Totals, costs: CostTable) -> tuple[Part, ...]:
    parts = []
    for kind, field in PARTS.items():
        count, price = getattr(totals, kind), getattr(costs, field)
        parts.append(Part(kind, count, None if price is None else count * price))
    return tuple(parts)


def _counts(parts: tuple[Part, ...]) -> tuple[float, ...]:
    counts = {part.kind: part.count for part in parts}
    return counts["synops"], counts["macs"], counts["updates"]


def _caption(energy: Energy) -> str:
    return f"Cost table {energy.costs.name}; {energy.convention.name}: {energy.convention.note}."


def _notes(energies: Sequence[Energy]) -> tuple[str, ...]:
    first = energies[0]
    notes = [f"Source: {first.costs.source}.", first.costs.note]
    missing = sorted({kind for energy in energies for kind in energy.unpriced})
    if missing:
        notes.append(f"A lower bound: this table has no price for {', '.join(missing)}, which occur.")
    if first.ann and first.ann_joule is None:
        notes.append("The ANN's energy is not defined under this table, so there is no ratio.")
    return tuple(notes)

"""AttributionScores: what maps are worth where the place is known, beside what an edge detector is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from ..report import Column, Table
from .baselines import BASELINES, EDGE
from .map import Map
from .metrics import METRICS, bootstrap

COMPARED = ("correlation", "correlation of sizes", "AUROC", "AUROC of sizes")
"""The metrics for which a method is set against the edge detector; of these more is better."""
ORACLE = "occlusion, size known"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """One row.

    Args:
        name: of the method, with its settings, or of the baseline.
        found: its maps.
        numbers: metric -> [N]; empty where the method is not applicable.
    """

    name: str
    found: Map
    numbers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Images without a correlation, as the map or the mask is the same everywhere."""
        numbers = self.numbers.get("correlation")
        return 0 if numbers is None else int(numbers.isnan().sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionScores:
    """All rows; there is none without the baselines.

    Args:
        rows: methods first, then baselines.
        images: how many.
        seed: of the bootstrap.
        cheating: whether the groups knew the answer; the tables then say so.

    Raises:
        ArgumentError: if a baseline is missing.
    """

    rows: tuple[Scored, ...]
    images: int
    seed: int = 0
    cheating: bool = False

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        lacking = [name for name in (*BASELINES, ORACLE) if name not in names]
        if lacking:
            todo = "A score means nothing without them; take score_methods"
            met = f"rows without {', '.join(lacking)}"
            raise ArgumentError(sentence("AttributionScores.rows", met, "a row of every baseline", todo))
        if len(set(names)) < len(names):
            raise ArgumentError(sentence("AttributionScores.rows", "two rows of one name", "different names"))

    def row(self, name: str) -> Scored:
        """The row of a name.

        Raises:
            ArgumentError: if there is none.
        """
        found = [row for row in self.rows if row.name == name]
        if not found:
            names = ", ".join(row.name for row in self.rows)
            raise ArgumentError(sentence("AttributionScores.row", repr(name), f"one of {names}"))
        return found[0]

    def against_edge(self, name: str, metric: str = "correlation") -> tuple[float, float, float]:
        """Mean paired difference to the edge detector, with its 95 % interval; NaN where there are no maps."""
        row, edge = self.row(name), self.row(EDGE)
        if not row.numbers:
            return float("nan"), float("nan"), float("nan")
        return bootstrap(row.numbers[metric] - edge.numbers[metric], seed=self.seed)

    def beats_edge(self, name: str, metric: str = "correlation") -> bool:
        """Whether it beats the edge detector: the interval lies above 0."""
        return self.against_edge(name, metric)[1] > 0

    def tables(self) -> tuple[Table, ...]:
        """Medians of every metric, and paired differences to the edge detector."""
        return self.table(), self.comparison()

    def table(self) -> Table:
        """Medians over images, one row per method."""
        units = {"L1": "Lower is nearer."}
        columns = (
            Column("method"),
            *(Column(name, "", 3, units.get(name, "")) for name in METRICS),
            Column("no correlation", "", 0, "Images whose map is the same everywhere; left out of the medians."),
            Column("gap", "", 3, "Median size of sum minus what it should be, in logits."),
            Column("time per image", "s"),
            Column("status"),
        )
        rows = [self._cells(row) for row in self.rows]
        reasons = tuple(f"{row.name}: {row.found.status}, {row.found.reason}." for row in self.rows if row.found.reason)
        caption = f"Medians over {self.images} images. The rows below the methods know nothing of the network, or all."
        return Table(self._title("Attribution against the known place"), columns, tuple(rows), caption, reasons)

    def comparison(self) -> Table:
        """Mean paired differences to the edge detector, with 95 % intervals."""
        columns = [Column("method")]
        for name in COMPARED:
            columns += [Column(name, "", 3), Column(f"{name}, low", "", 3), Column(f"{name}, high", "", 3)]
        columns.append(Column("beats the edge detector in", "", None, "Metrics whose interval lies above 0."))
        rows = []
        for row in self.rows:
            if row.name == EDGE or not row.numbers:
                continue
            cells: list[str | float | None] = [row.name]
            for metric in COMPARED:
                cells += [_known(value) for value in self.against_edge(row.name, metric)]
            better = [metric for metric in COMPARED if self.beats_edge(row.name, metric)]
            rows.append((*cells, ", ".join(better) or "none"))
        caption = f"Mean difference to the edge detector on the same {self.images} images, bootstrap 95 % interval."
        return Table(self._title("Against the edge detector"), tuple(columns), tuple(rows), caption)

    def _title(self, text: str) -> str:
        return f"{text}, cheating: the groups knew the answer" if self.cheating else text

    def _cells(self, row: Scored) -> tuple[str | float | int | None, ...]:
        numbers = [_median(row.numbers[name]) if row.numbers else None for name in METRICS]
        gap = None if row.found.delta is None else _median(row.found.delta.abs())
        seconds = row.found.seconds / self.images if row.found.usable else None
        missing = row.missing if row.numbers else None
        return (row.name, *numbers, missing, gap, seconds, row.found.status)


def _median(values: Tensor) -> float | None:
    kept = values[~values.isnan()].double()
    return float(torch.quantile(kept, 0.5)) if len(kept) else None


def _known(value: float) -> float | None:
    return None if value != value else value

"""Samples per layer to a table of bins, the numbers behind a membrane histogram."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spikewright.report.errors import ReportError
from spikewright.report.table import Column, Table


def histogram_table(
    samples: Mapping[str, np.ndarray],
    *,
    v_threshold: Mapping[str, float] | None = None,
    bins: int = 40,
    title: str = "Membrane potentials",
    unit: str = "",
) -> Table:
    """Count the membrane potentials of each layer in equal bins between its smallest and its largest.

    Args:
        samples: name of the layer -> potentials, any shape; what is not finite is left out, with a note.
        v_threshold: name of the layer -> its threshold, in the same unit; layers may be missing.
        bins: bins per layer, 1 or more.
        title: title of the table.
        unit: unit of the potentials.

    Returns:
        One row per layer and bin: layer, left, right, neurons, v_threshold.

    Raises:
        ReportError: for less than one bin.

    Example:
        >>> table = histogram_table({"conv1": np.array([0.0, 0.1, 1.0])}, v_threshold={"conv1": 0.8}, bins=2)
        >>> table.rows
        (('conv1', 0.0, 0.5, 2, 0.8), ('conv1', 0.5, 1.0, 1, 0.8))
    """
    if bins < 1:
        raise ReportError(f"histogram_table.bins: got {bins}; expected 1 or more.")
    rows, notes = [], []
    for name, values in samples.items():
        flat = np.asarray(values, dtype=np.float64).reshape(-1)
        known = flat[np.isfinite(flat)]
        if known.size < flat.size:
            notes.append(f"{name}: {flat.size - known.size} of {flat.size} potentials are not finite and left out.")
        if known.size:
            counts, edges = np.histogram(known, bins=bins)
            level = None if v_threshold is None else v_threshold.get(name)
            rows += [(name, *edge, int(count), level) for *edge, count in zip(edges, edges[1:], counts)]
    columns = (
        Column("layer"),
        Column("left", unit),
        Column("right", unit),
        Column("neurons"),
        Column("v_threshold", unit),
    )
    return Table(title, columns, tuple(rows), notes=tuple(notes))

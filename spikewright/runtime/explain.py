"""explained(): what an event network did with an input, layer by layer: path, densities, operations, time."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..report.table import Column, Table
from .events import Events
from .layer import Layer
from .sources import Source
from .synapses import Geometry
from .torch_call import TorchCall
from .wire import Wire, image_of


@dataclass(frozen=True)
class Step:
    """One operation of one run.

    Args:
        operation: the operation, a `Layer` or a `TorchCall`.
        inputs: the wires that it read.
        out: the wire that it made; another value where it made no tensor.
        seconds: how long it took.
    """

    operation: Any
    inputs: tuple[Wire, ...]
    out: Any
    seconds: float


def explained(steps: list[Step], samples: int, timesteps: int) -> Table:
    """The table of a run; one row for each source of each layer, and one for each of torch's operations."""
    columns = (
        Column("layer"),
        Column("reads"),
        Column(
            "path",
            note="events: an addition per spike and synapse; lists: joined or passed on; pass: dense, but compiled; "
            "dense: by torch; torch: not compiled.",
        ),
        Column("density", "%", 1, "Entries of the lists over values of the input; joined lists may exceed 100 %."),
        Column("limit", "%", 1, "Density above which the layer is run dense."),
        Column("additions", "", None, "Synaptic operations done per sample; of a dense path its multiplications."),
        Column("dense", "", None, "Multiplications that a dense path does per sample."),
        Column("sent", "%", 1, "Share of the output that is not zero."),
        Column("time", "s", None, "Per call; of a layer with several inputs it stands in the first row."),
    )
    rows: list[tuple[Any, ...]] = []
    for step in steps:
        rows += _rows(step, samples, timesteps)
    caption = f"{samples} samples, {timesteps} time steps in one call."
    return Table("Event plan", columns, tuple(rows), caption)


def _rows(step: Step, samples: int, timesteps: int) -> list[tuple[Any, ...]]:
    operation = step.operation
    if not isinstance(operation, Layer):
        lists = isinstance(step.out, Wire) and step.out.events is not None
        path = "torch" if isinstance(operation, TorchCall) else ("lists" if lists else "pass")
        return [(operation.name, "", path, None, None, None, None, None, step.seconds)]
    sent = step.out.events.density if step.out.events is not None else None
    rows = []
    for i, (source, wire) in enumerate(zip(operation.sources, step.inputs)):
        events = wire.listed() if operation.takes_events(source, wire) else None
        once = 1 if wire.constant else timesteps
        pixels = prod(image_of(operation.shape)[1:])
        dense = source.multiplications(pixels) * once
        path = "dense, once" if wire.constant else ("dense" if events is None else "events")
        density = None if wire.events is None else wire.events.density
        done = dense if events is None else additions(events, source) / samples
        first = (operation.name, sent, step.seconds) if i == 0 else ("", None, None)
        limit = None if wire.constant else source.density_limit
        rows.append((first[0], source.name or "straight", path, density, limit, done, dense, first[1], first[2]))
    return rows


def additions(events: Events, source: Source) -> int:
    """Synaptic operations that events cause: one for every weight that every event reaches inside the image."""
    _, height, width = events.image
    rows, columns = reached(source.geometry, height, width)
    fan_out = np.outer(rows, columns).ravel() * (len(source.weight) // source.geometry.groups)
    return int((events.counts.sum((0, 2), dtype=np.int64) * fan_out).sum())


def reached(geometry: Geometry, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """How many output rows see each input row, and how many columns each column."""
    sizes = zip(
        (height, width),
        geometry.out(height, width),
        geometry.kernel,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
    )
    maps = []
    for size, outputs, kernel, stride, padding, dilation in sizes:
        seen = np.zeros(size, np.int64)
        for tap in range(kernel):
            places = np.arange(outputs) * stride - padding + tap * dilation
            np.add.at(seen, places[(places >= 0) & (places < size)], 1)
        maps.append(seen)
    return maps[0], maps[1]

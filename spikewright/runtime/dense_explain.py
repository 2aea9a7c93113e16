"""dense_explained(): what a dense network did with an input, layer by layer: how, why, density, operations, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..core.stateful import Stateful
from ..report.table import Column, Table
from .dense_layer import DenseLayer
from .dense_neurons import DenseNeurons
from .wire import Wire


def dense_explained(rows: Sequence[tuple[Any, ...]], caption: str) -> Table:
    """The table of a run.

    Args:
        rows: what `dense_row` says of each operation, and how many seconds it took.
        caption: what stands above the table.
    """
    columns = (
        Column("layer"),
        Column("path"),
        Column("why"),
        Column("density", "%", 1, "Values of the input that are not zero."),
        Column(
            "dense", "", None, "Multiplications done per sample; events would need the density's share of additions."
        ),
        Column("sent", "%", 1, "Share of the output that is not zero."),
        Column("time", "s", None, "Per call, by the device's clock."),
    )
    return Table("Dense plan", columns, tuple(rows), caption)


def dense_row(operation: Any, given: Sequence[Any], out: Any, kernel: bool) -> tuple[Any, ...]:
    """What one operation of a run did: all columns but the last.

    Args:
        operation: the operation.
        given: the wires that it read; other values where it read no tensor.
        out: the wire that it made; another value where it made no tensor.
        kernel: whether plain neurons run as one kernel.
    """
    path = "torch"
    if isinstance(operation, DenseLayer | DenseNeurons):
        path = "dense, once" if out.constant else "dense"
    if isinstance(operation, DenseLayer):
        done = operation.multiplications(out.shape) * len(out.dense())
        return operation.name, path, _why(operation, kernel), _density(given[0]), done, None
    sent = _density(out) if isinstance(operation, DenseNeurons) else None
    return operation.name, path, _why(operation, kernel), None, None, sent


def _why(operation: Any, kernel: bool) -> str:
    if isinstance(operation, DenseLayer):
        kind = "" if operation.weights == torch.float32 else f" in {str(operation.weights).removeprefix('torch.')}"
        return f"whole tiles are multiplied{kind} faster than rows are gathered for single spikes"
    if isinstance(operation, DenseNeurons):
        parts = "bias, sum and all steps" if len(operation.inputs) > 1 else "bias and all steps"
        return f"{parts} in one kernel" if kernel else f"{parts} in torch's operations: Triton is missing"
    if isinstance(getattr(operation, "layer", None), Stateful):
        return "a layer with a state of a kind that has no kernel: step by step in torch's operations"
    return "an operation without weights, on all steps at once"


def _density(wire: Wire) -> float:
    xs = wire.dense()
    return float((xs != 0).sum()) / max(1, xs.numel())

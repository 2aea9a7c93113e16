"""The label read-out: the names that an ordinary classifier gives to the pictures, as a second judge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...data.imagenet import SPEC
from ...report.table import Column, Table
from ..lite import Lite
from .options import check_pictures


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The likeliest names of one picture.

    Args:
        names: likeliest first.
        probabilities: of each, 0..1.
    """

    names: tuple[str, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def read_labels(pictures: Tensor, network: Lite, *, top: int = 5) -> tuple[Reading, ...]:
    """Name what each picture shows; a trigger that is no class of ImageNet has no name to be found.

    Args:
        pictures: [N, 3, H, W] in 0..1, at least 16 pixels a side.
        network: which names them.
        top: how many names, 1..1000.

    Raises:
        ArgumentError: for another number of names.
        ShapeError: for pictures that do not fit.
    """
    if not 1 <= top <= len(SPEC.classes):
        raise ArgumentError(sentence("read_labels.top", repr(top), f"a whole number from 1 to {len(SPEC.classes)}"))
    check_pictures(pictures, "read_labels.pictures")
    probabilities, classes = network(pictures).softmax(dim=1).topk(top, dim=1)
    return tuple(
        Reading(names=tuple(SPEC.classes[i] for i in row.tolist()), probabilities=tuple(found.tolist()))
        for row, found in zip(classes, probabilities)
    )


def labels_table(readings: tuple[Reading, ...]) -> Table:
    """The names over all pictures of a gallery: in how many each occurs, and its mean probability there."""
    found: dict[str, list[float]] = {}
    for reading in readings:
        for name, probability in zip(reading.names, reading.probabilities):
            found.setdefault(name, []).append(probability)
    rows = [(name, len(each), sum(each) / len(readings)) for name, each in found.items()]
    columns = (
        Column("name"),
        Column("pictures", note="how many have it among their likeliest names"),
        Column("probability", "%", 1, "mean over all pictures, 0 where it is not among the likeliest"),
    )
    ordered = sorted(rows, key=lambda row: (-row[2], row[0]))
    return Table("Label read-out", columns, tuple(ordered), f"{len(readings)} pictures")

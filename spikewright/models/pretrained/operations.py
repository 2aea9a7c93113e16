"""Operations: a network as a list in JSON, each entry a layer with the numbers of its inputs and its output."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import CheckpointError, sentence

ACTIVATIONS = ("relu", "relu6")
FIELDS = {
    "conv": ("w", "stride", "pad", "groups"),
    "linear": ("w",),
    "maxpool": ("k", "stride", "pad", "ceil"),
    "gap": (),
    "add": (),
    "cat": (),
}
"""Operation -> what it must say besides `in` and `out`; every one may have `act`, an activation after it."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One entry of the list.

    Args:
        kind: one of FIELDS.
        inputs: numbers of the values it takes; 0 is the scaled image.
        out: number of the value it gives.
        weight: path of its weight and bias, without `.weight`.
        kernel: side of the window of a max pool.
        stride: the same for both axes.
        pad: zeros to the left, right, top and bottom, before the layer.
        groups: of a convolution.
        ceil: whether a max pool keeps a window that is cut off by the border.
        act: name of the activation after it, or none.
    """

    kind: str
    inputs: tuple[int, ...]
    out: int
    weight: str = ""
    kernel: int = 1
    stride: int = 1
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    ceil: bool = False
    act: str | None = None

    @property
    def name(self) -> str:
        """The path of its layer: that of its weight, or its kind and the number of its value."""
        return self.weight or f"{self.kind}{self.out}"


def read_operations(graph: Any, who: str) -> tuple[Operation, ...]:
    """Check the list of a description.

    Args:
        graph: a list of objects, from JSON.
        who: what to call it in an error.

    Raises:
        CheckpointError: names the first entry that is not as it should be.
    """
    if not isinstance(graph, list) or not graph:
        raise CheckpointError(sentence(who, f"the graph {graph!r}", "a list of operations"))
    operations: list[Operation] = []
    for place, entry in enumerate(graph):
        here = f"{who}, graph[{place}]"
        operation = _operation(entry, here)
        known = {0, *(earlier.out for earlier in operations)}
        if not set(operation.inputs) <= known:
            raise CheckpointError(sentence(here, f"in {list(operation.inputs)}", "values made before it"))
        if operation.out in known:
            raise CheckpointError(sentence(here, f"out {operation.out} a second time", "a number of its own"))
        operations.append(operation)
    return tuple(operations)


def _operation(entry: Any, who: str) -> Operation:
    kind = entry.get("op") if isinstance(entry, Mapping) else entry
    if not isinstance(entry, Mapping) or not isinstance(kind, str) or kind not in FIELDS:
        raise CheckpointError(sentence(who, f"the operation {kind!r}", f"one of {', '.join(FIELDS)}"))
    names = ("in", "out", *FIELDS[kind])
    faults = [f"no {name}" for name in names if name not in entry]
    faults += [f"a field {name!r}" for name in entry if name not in ("op", "act", *names)]
    faults += [f"{name} {entry[name]!r}" for name in names if name in entry and not _fits(name, entry[name])]
    act = entry.get("act")
    if act is not None and act not in ACTIVATIONS:
        faults.append(f"act {act!r}")
    if faults:
        allowed = f"{', '.join(f'{name} {_ALLOWED[name]}' for name in names)}, and act {' or '.join(ACTIVATIONS)}"
        raise CheckpointError(sentence(f"{who} ({kind})", faults[0], allowed))
    inputs, many = tuple(entry["in"]), kind in ("add", "cat")
    if len(inputs) != 2 if kind == "add" else (len(inputs) < 2) == many:
        raise CheckpointError(
            sentence(f"{who} ({kind})", f"{len(inputs)} inputs", "two for add, more for cat, else one")
        )
    given = {_FIELD[name]: entry[name] for name in FIELDS[kind]}
    if "pad" in given:
        given["pad"] = tuple(given["pad"])
    return Operation(kind=kind, inputs=inputs, out=entry["out"], act=act, **given)


_FIELD = {"w": "weight", "k": "kernel", "stride": "stride", "pad": "pad", "groups": "groups", "ceil": "ceil"}
_ALLOWED = {
    "in": "a list of numbers",
    "out": "a number above 0",
    "w": "a path of names and dots",
    "k": "a number above 0",
    "stride": "a number above 0",
    "pad": "four numbers (left, right, top, bottom)",
    "groups": "a number above 0",
    "ceil": "true or false",
}


def _fits(name: str, value: Any) -> bool:
    if name == "w":
        return isinstance(value, str) and re.fullmatch(r"\w+(\.\w+)*", value) is not None
    if name == "ceil":
        return isinstance(value, bool)
    if name in ("in", "pad"):
        return isinstance(value, list) and all(_is_number(part, 0) for part in value) and len(value) in _LENGTH[name]
    return _is_number(value, 1)


_LENGTH: Mapping[str, Sequence[int]] = {"in": range(1, 1000), "pad": (4,)}


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least

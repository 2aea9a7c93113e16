"""What travels along a wire of a counted network, and what one operation costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import ShapeError


@dataclass(frozen=True)
class Wire:
    """The values of one wire, and how many spikes arrive at each coordinate.

    Args:
        value: tensor of R = T*N rows, or a tuple of such.
        counts: spikes at each coordinate, shaped like the value; None where the wire is analog.
        static: whether the value is the same at every time step.
        graded: whether what is counted is numbers, each of which costs multiply-accumulates instead of accumulations.
        corrections: whether constants, as biases, are known to the receiver and cost nothing at any step.
    """

    value: Any
    counts: Any = None
    static: bool = False
    graded: bool = False
    corrections: bool = False


@dataclass(frozen=True)
class Cost:
    """What one operation costs: whole numbers per row, either one for all rows or one each, [R].

    Args:
        synops: accumulations caused by single spikes.
        macs: multiply-accumulates of analog values.
        additions: additions outside of synaptic layers, and of biases.
        updates: neuron updates.
        exact, dense: multiply-accumulates of the same layer if its input were analog, without and with padding taps
            and weights of zero.
        weights: stored weights.
    """

    synops: Tensor | int = 0
    macs: Tensor | int = 0
    additions: Tensor | int = 0
    updates: Tensor | int = 0
    exact: int = 0
    dense: int = 0
    weights: int = 0


@dataclass(frozen=True)
class Result:
    """What an operation passes on and costs.

    Args:
        counts: spikes on the outgoing wire, None if it is analog.
        cost: None if it costs nothing.
    """

    counts: Any = None
    cost: Cost | None = None


@dataclass(frozen=True)
class Call:
    """One operation of the network in execution.

    Args:
        site: where it stands.
        operation: class of the module, or name of the function or method.
        module: the module called, or None.
        args, kwargs: its arguments; values that depend on the input are wires.
        out: its result.
        run: does the same operation on other arguments.
        rows: R, the number of time steps times that of samples.
    """

    site: str
    operation: str
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    run: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    rows: int

    @property
    def wires(self) -> list[Wire]:
        """All wires that come in, in order."""
        return [part for part in parts((self.args, self.kwargs)) if isinstance(part, Wire)]

    def setting(self, name: str, position: int, default: Any = None) -> Any:
        """A setting of the operation, from the module's attribute or the function's argument."""
        if self.module is not None:
            return getattr(self.module, name, default)
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def argument(self, position: int, *names: str) -> Any:
        """A positional argument that may also be given by one of several names."""
        if len(self.args) > position:
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), None)

    def check_rows(self, tensor: Tensor) -> None:
        """Raise ShapeError unless the first axis of a tensor still holds the T*N rows."""
        if tensor.shape[:1] != (self.rows,):
            raise ShapeError(
                f"{self.site}: its tensor is {list(tensor.shape)}; expected {self.rows} rows on the first axis, which "
                "holds time and batch. Name the axes to reduce or move, and leave axis 0 where it is."
            )

    def elements(self, tensor: Tensor) -> int:
        """Elements of one row."""
        self.check_rows(tensor)
        return tensor.numel() // self.rows

    def per_row(self, counts: Tensor) -> Tensor:
        """Sum of whole numbers over each row: [R, ...] -> [R] in int64."""
        self.check_rows(counts)
        return counts.flatten(1).sum(1, dtype=torch.int64) if counts.dim() > 1 else counts.to(torch.int64)


def parts(value: Any) -> Iterator[Any]:
    """The leaves of nested tuples, lists, dicts and slices."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    if isinstance(value, tuple | list):
        for part in value:
            yield from parts(part)
    else:
        yield value


def exchange(value: Any, what: Callable[[Wire], Any]) -> Any:
    """The same nested value with every wire exchanged."""
    if isinstance(value, Wire):
        return what(value)
    if isinstance(value, dict):
        return {key: exchange(part, what) for key, part in value.items()}
    if isinstance(value, slice):
        return slice(*(exchange(part, what) for part in (value.start, value.stop, value.step)))
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, tuple | list):
        return type(value)(exchange(part, what) for part in value)
    return value

"""CompiledNetwork: a spiking network as operations that are run in order; what its kinds have in common."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx

from ..core.errors import ArgumentError, ConversionError, ShapeError, sentence
from ..core.phases import Phases
from ..core.probe import Probed, knowing, probe, probed_layers
from ..core.spiking import Spiking, Timed, check_rehearsal
from ..core.stateful import Stateful
from ..core.temporal import Temporal, all_told
from ..report.table import Table
from .wire import Wire

Found = dict[Probed, list[tuple[Tensor, ...]]]
"""Probed layers -> their constant parts, call by call."""


class CompiledNetwork(Timed):
    """A spiking network compiled for the device that it is on; called like the `Spiking` model it was made of.

    It runs one call at a time; further threads wait. It gives no gradients, stays in eval(), cannot be saved, and
    refuses to run once the model's weights or constants have been changed.

    Args:
        model: the model that it was made of.
        graph: its traced copy.
        shapes: name of every node that makes a tensor -> one sample's shape there.
        device: where it runs.
    """

    def __init__(
        self, model: Spiking, graph: fx.GraphModule, shapes: Mapping[str, tuple[int, ...]], device: torch.device
    ) -> None:
        super().__init__()
        self.graph, self.device, self._shapes = graph, device, dict(shapes)
        self.shape = self._shapes[next(node for node in graph.graph.nodes if node.op == "placeholder").name]
        self._source = (model,)  # in a tuple, so that it is no part of this network
        self._tensors = [(part._parameters, part._buffers) for part in model.modules()]
        self._written = self._now_written()
        self._lock = threading.Lock()
        self._temporal = [part for part in graph.modules() if isinstance(part, Temporal)]
        self._stateful = [part for part in graph.modules() if isinstance(part, Stateful)]
        self._rehearsal = max((part.rehearsal for part in self._temporal), default=0)
        self._constants: tuple[list[Probed], list[list[tuple[Tensor, ...]]]] = ([], [])
        self._last_use: dict[fx.Node, list[fx.Node]] = {}

    @abstractmethod
    def explain(self, xs: Tensor) -> Table:
        """Run an input [T, N, ...] and say of every layer how it ran, how much work it was and how long it took."""

    def __reduce__(self) -> tuple:
        raise ConversionError(f"{self._who}: cannot be saved, as it holds machine code. Save the model and compile it.")

    @property
    def phases(self) -> Phases:
        """The steps that the network needs besides those that count."""
        return self._source[0].phases

    @property
    def _who(self) -> str:
        return type(self).__name__

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        place = where(self.device)
        raise ConversionError(
            f"{self._who}: cannot be moved or cast: it is compiled for float32 {place}. Move or cast the model."
        )

    def train(self, mode: bool = True) -> Any:
        """Stay in eval().

        Raises:
            ArgumentError: for train().
        """
        if mode:
            raise ArgumentError(
                sentence(f"{self._who}.train", "True", "False", "Train the model, and compile it again")
            )
        return super().train(False)

    def _check(self, xs: Tensor) -> None:
        if tuple(xs.shape[2:]) != self.shape or xs.dtype != torch.float32 or xs.device != self.device:
            met = f"{list(xs.shape)} in {xs.dtype} on {xs.device}"
            expected = f"[T, N, {', '.join(map(str, self.shape))}] in float32 {where(self.device)}"
            raise ShapeError(sentence(self._who, met, expected, "Compile it again for another input"))
        if not self._carries:
            check_rehearsal(len(xs), self._rehearsal, self._who)
        if xs.requires_grad:
            met, todo = "an input that asks for a gradient", "Take gradients of the model it was compiled from"
            raise ArgumentError(sentence(self._who, met, "one that does not", todo))
        if self._now_written() != self._written:
            raise ConversionError(
                f"{self._who}: its model has been changed since it was compiled; expected the weights, constants and "
                "mode of then. Compile the model again."
            )

    def _now_written(self) -> tuple:
        """Changes whenever the model's weights or constants are written or replaced, or its mode is changed."""
        tensors = (t for part in self._tensors for named in part for t in named.values() if t is not None)
        kept = tuple((id(t), t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
        return self._source[0].training, kept

    def _probe(self) -> Found:
        """What arrives at probed layers without an image."""
        layers = probed_layers(self.graph)
        if not layers:
            return {}
        with torch.inference_mode():
            return dict(zip(layers, probe(self.graph, layers, torch.zeros(1, 1, *self.shape, device=self.device))))

    @property
    def _carries(self) -> bool:
        """Whether states are carried from call to call."""
        return any(part.carry is not None for part in self._stateful)

    @contextmanager
    def _states_restored(self) -> Iterator[None]:
        """Within the block carried states move on; after it they are those of before."""
        before = [(part.carry, part.carry.state) for part in self._stateful if part.carry is not None]
        try:
            yield
        finally:
            for carry, state in before:
                carry.state = state

    @contextmanager
    def _without_states(self) -> Iterator[None]:
        """Within the block no state is carried."""
        before = [(part, part.carry) for part in self._stateful]
        try:
            for part, _ in before:
                part.carry = None
            yield
        finally:
            for part, carry in before:
                part.carry = carry

    def _run_operations(
        self,
        operations: Sequence[Any],
        xs: Tensor,
        timesteps: int,
        run: Callable[[Any, Mapping[fx.Node, Any]], Any] | None = None,
    ) -> Wire:
        """Run the operations in order on an input [T, N, ...], or [1, N, ...] where every step is the same.

        An operation names the `inputs` that it reads and the `node` whose wire its `run(wires)` makes.
        """
        begin = next(node for node in self.graph.graph.nodes if node.op == "placeholder")
        end = next(node for node in self.graph.graph.nodes if node.op == "output").args[0]
        wires: dict[fx.Node, Any] = {begin: Wire(timesteps, self.shape, tensor=xs)}
        with knowing(*self._constants), all_told(self._temporal, timesteps):
            for operation in operations:
                wires[operation.node] = operation.run(wires) if run is None else run(operation, wires)
                for node in self._last_use.get(operation.node, ()):
                    del wires[node]
        return wires[end]


def where(device: torch.device) -> str:
    """A device in a sentence: "on the CPU", "on cuda:0"."""
    return "on the CPU" if device.type == "cpu" else f"on {device}"


def last_uses(operations: Sequence[Any], graph: fx.GraphModule) -> dict[fx.Node, list[fx.Node]]:
    """Node -> the nodes whose wires nobody reads after it."""
    end = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    last: dict[fx.Node, fx.Node] = {}
    for operation in operations:
        last.update(dict.fromkeys(operation.inputs, operation.node))
    found: dict[fx.Node, list[fx.Node]] = {}
    for node, reader in last.items():
        if node is not end:
            found.setdefault(reader, []).append(node)
    return found


def one_step_if_repeated(xs: Tensor) -> Tensor:
    """An input [T, N, ...], of a repeated image its first step alone, [1, N, ...]."""
    return xs[:1] if len(xs) > 1 and xs.stride(0) == 0 else xs

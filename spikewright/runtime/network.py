"""compile(model, example): a spiking network as an EventNetwork, in which a neuron that stays silent costs no time."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from ..core.arguments import check_module, named
from ..core.batch_norm import fold_batch_norm
from ..core.errors import ArgumentError, ConversionError, DataError, ShapeError, sentence
from ..core.input_error import readable_input
from ..core.phases import Phases
from ..core.probe import Probed, ProbeMemory, knowing, probe, probed, probed_layers
from ..core.spiking import Spiking, Timed
from ..core.stateful import Stateful
from ..core.temporal import Temporal, all_told, check_finite, check_sequence, fold, told
from ..core.trace import module_of, trace
from ..report.table import Table
from .choose import choose_path
from .explain import Step, explained
from .layer import Layer
from .max_pools import MaxPools
from .plan import Operation, planned
from .shapes import ShapeReader
from .sources import Source
from .wire import Wire

_TIME_FIRST = "Give it sequences [T, N, ...] of the channels and size that it was compiled for"


WEIGHTS = {kind: torch.zeros((), dtype=kind).numpy().dtype for kind in (torch.float32, torch.float16, torch.int8)}
"""Kinds of number in which weights can be kept."""


class EventNetwork(Timed):
    """A spiking network compiled for the CPU; called like the `Spiking` model that it was made of, with equal results.

    Made by `compile`. One network runs one call at a time; further threads wait.

    Args:
        model: the model that it was made of.
        graph: its traced copy.
        shapes: name of every node that makes a tensor -> one sample's shape there.
        weights: the kind of number in which the weights of events are kept.
    """

    def __init__(
        self,
        model: Spiking,
        graph: fx.GraphModule,
        shapes: Mapping[str, tuple[int, ...]],
        weights: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.graph, self._shapes = graph, dict(shapes)
        self.shape = self._shapes[next(node for node in graph.graph.nodes if node.op == "placeholder").name]
        found = self._probe()
        # where an image has several rows that differ, a neuron's constant part is no longer the same for the batch
        left = [layer for layer, heard in found.items() if any(len(part) > 1 for parts in heard for part in parts)]
        self.operations = planned(graph, {n: shapes[n.name] for n in graph.graph.nodes if n.name in shapes}, left)
        for source in (s for operation in self.operations for s in getattr(operation, "sources", ())):
            if isinstance(source, Source):
                source.stored = WEIGHTS[weights]
        self._source = (model,)  # in a tuple, so that it is no part of this network
        self._tensors = [(part._parameters, part._buffers) for part in model.modules()]
        self._written = self._now_written()
        self._lock = threading.Lock()
        self._constants = self._handed_out(found)
        self._temporal = [part for part in graph.modules() if isinstance(part, Temporal)]
        self._stateful = [part for part in graph.modules() if isinstance(part, Stateful)]
        self._last_use = _last_uses(self.operations, graph)

    def __deepcopy__(self, memo: dict) -> EventNetwork:
        twin = EventNetwork(*copy.deepcopy((self._source[0], self.graph), memo), self._shapes, self.weights)
        for own, other in zip(self.operations, twin.operations):
            for source, same in zip(getattr(own, "sources", ()), getattr(other, "sources", ())):
                same.density_limit = source.density_limit
        return twin

    def __reduce__(self) -> tuple:
        raise ConversionError("EventNetwork: cannot be saved, as it holds machine code. Save the model and compile it.")

    @property
    def phases(self) -> Phases:
        """The steps that the network needs besides those that count."""
        return self._source[0].phases

    def forward(self, xs: Tensor) -> Tensor:
        """Input [T, N, ...] -> output [T, N, ...].

        Raises:
            ShapeError: if xs is no float32 [T, N, ...] of the shape that the network was compiled for.
            DataError: if xs holds NaN or infinite values.
            ArgumentError: if xs asks for a gradient.
            ConversionError: if the model's weights or constants have been changed since it was compiled.
        """
        check_sequence(xs, "EventNetwork")
        check_finite(xs, "EventNetwork")
        self._check(xs)
        with self._lock, torch.inference_mode(), readable_input("EventNetwork", xs, _TIME_FIRST):
            # made dense at once: the next part is written into the same lists
            parts = [self._run(part).dense() for part in xs.split(self._together(*xs.shape[:2]), dim=1)]
        return torch.cat([part.expand(len(xs), *part.shape[1:]) for part in parts], dim=1)

    def choose(self, example: Tensor) -> None:
        """Decide for every layer, by timing it on typical input [T, N, ...], up to which density events are faster.

        Raises:
            ShapeError, ArgumentError, ConversionError: as in `forward`.
        """
        self._check(example)

        def decide(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
            if isinstance(operation, Layer):
                for source in operation.sources:
                    choose_path(operation, source, wires)
            return operation.run(wires)

        with self._lock, torch.inference_mode():
            self._run(example[:, : self._together(*example.shape[:2])], decide)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        raise ConversionError(
            "EventNetwork: cannot be moved or cast: it is compiled for float32 on the CPU. Move or cast the model."
        )

    def train(self, mode: bool = True) -> EventNetwork:
        """Stay in eval().

        Raises:
            ArgumentError: for train().
        """
        if mode:
            raise ArgumentError(
                sentence("EventNetwork.train", "True", "False", "Train the model, and compile it again")
            )
        return super().train(False)

    def _check(self, xs: Tensor) -> None:
        if tuple(xs.shape[2:]) != self.shape or xs.dtype != torch.float32 or xs.device.type != "cpu":
            met = f"{list(xs.shape)} in {xs.dtype} on {xs.device.type}"
            expected = f"[T, N, {', '.join(map(str, self.shape))}] in float32 on the CPU"
            raise ShapeError(sentence("EventNetwork", met, expected, "Compile it again for another input"))
        if xs.requires_grad:
            met, todo = "an input that asks for a gradient", "Take gradients of the model it was compiled from"
            raise ArgumentError(sentence("EventNetwork", met, "one that does not", todo))
        if self._now_written() != self._written:
            raise ConversionError(
                "EventNetwork: its model has been changed since it was compiled; expected the weights, constants and "
                "mode of then. Compile the model again."
            )

    def _now_written(self) -> tuple:
        """Changes whenever the model's weights or constants are written or replaced, or its mode is changed."""
        tensors = (t for part in self._tensors for named in part for t in named.values() if t is not None)
        kept = tuple((id(t), t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
        return self._source[0].training, kept

    def _probe(self) -> dict[Probed, list[tuple[Tensor, ...]]]:
        """Probed layers -> their constant parts, call by call."""
        layers = probed_layers(self.graph)
        if not layers:
            return {}
        with torch.inference_mode():
            return dict(zip(layers, probe(self.graph, layers, torch.zeros(1, 1, *self.shape))))

    def _handed_out(
        self, found: dict[Probed, list[tuple[Tensor, ...]]]
    ) -> tuple[list[Probed], list[list[tuple[Tensor, ...]]]]:
        """The probed layers that torch runs, with their constant parts; a layer that is compiled keeps its own."""
        for operation in self.operations:
            if isinstance(operation, Layer) and operation.neuron in found:
                ((operation.constant,),) = found.pop(operation.neuron)
            elif isinstance(operation, MaxPools) and operation.call.layer in found:
                ((operation.constant,),) = found.pop(operation.call.layer)
        return list(found), list(found.values())

    def _together(self, timesteps: int, samples: int) -> int:
        """Samples that are run at a time, so that what one layer hands to the next stays in the cache."""
        if any(part.carry is not None for part in self._stateful):
            return samples  # a carried state is that of all samples
        largest = max((int(np.prod(op.shape)) for op in self.operations if isinstance(op, Layer)), default=1)
        return max(1, _CACHE_BYTES // (2 * timesteps * largest))

    def explain(self, xs: Tensor) -> Table:
        """Run an input [T, N, ...] and say of every layer on which path it ran, how dense, how much work, how long.

        Raises:
            ShapeError, DataError, ArgumentError, ConversionError: as in `forward`.
        """
        self(xs)
        steps: list[Step] = []

        def timed(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
            given = tuple(replace(wires[node]) for node in operation.inputs if isinstance(wires[node], Wire))
            begin = time.perf_counter()
            out = operation.run(wires)
            steps.append(Step(operation, given, out, time.perf_counter() - begin))
            return out

        with self._lock, torch.inference_mode():
            self._run(xs, timed)
        return explained(steps, xs.shape[1], xs.shape[0])

    def _run(self, xs: Tensor, run: Callable[[Operation, Mapping[fx.Node, Any]], Any] | None = None) -> Wire:
        graph = self.graph
        begin = next(node for node in graph.graph.nodes if node.op == "placeholder")
        end = next(node for node in graph.graph.nodes if node.op == "output").args[0]
        timesteps = len(xs)
        once = timesteps > 1 and xs.stride(0) == 0
        wires: dict[fx.Node, Any] = {begin: Wire(timesteps, self.shape, tensor=xs[:1] if once else xs)}
        with knowing(*self._constants), all_told(self._temporal, timesteps):
            for operation in self.operations:
                wires[operation.node] = operation.run(wires) if run is None else run(operation, wires)
                for node in self._last_use.get(operation.node, ()):
                    del wires[node]
        return wires[end]


_CACHE_BYTES = 4 * 1024 * 1024
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def compile(model: Spiking, example: Tensor, *, weights: torch.dtype = torch.float32) -> EventNetwork:
    """Compile a spiking network for event-driven running on the CPU.

    Args:
        model: converted by any recipe, or trained; in `eval()` and float32 on the CPU. It is copied.
        example: typical input, [T, N, ...], as the network will see it.
        weights: `torch.float32`, or, for less memory and more speed, `torch.float16` or `torch.int8` with a scale for
            each output channel: the numbers in which the weights that events add up are kept. Layers that run dense,
            and depthwise ones, keep theirs. What it costs in accuracy has to be measured.

    Raises:
        ArgumentError: if the model is no `Spiking` network in `eval()`, or for other weights.
        ShapeError: if the example does not fit the model, or is not float32 on the CPU.
        ConversionError: if the model cannot be traced, or is not in float32 on the CPU.
    """
    check_module(model, "compile.model")
    if weights not in WEIGHTS:
        raise ArgumentError(sentence("compile.weights", repr(weights), " or ".join(map(str, WEIGHTS))))
    if not isinstance(model, Spiking):
        raise ArgumentError(sentence("compile.model", named(model), "a Spiking network, e.g. conversion.model"))
    if model.training:
        raise ArgumentError(sentence("compile.model", "a network in train()", "one in eval()", "Call model.eval()"))
    odd = next(
        (
            p
            for p in (*model.parameters(), *model.buffers())
            if p.is_floating_point() and (p.dtype != torch.float32 or p.device.type != "cpu")
        ),
        None,
    )
    if odd is not None:
        met = f"weights in {odd.dtype} on {odd.device.type}"
        raise ConversionError(sentence("compile.model", met, "float32 on the CPU", "Call model.float().cpu()"))
    broken = next(
        (name for name, p in model.module.state_dict().items() if p.is_floating_point() and not p.isfinite().all()),
        None,
    )
    if broken is not None:
        raise DataError(
            sentence(f"compile.model, {broken}", "NaN or infinite weights", "finite ones", "Train it again")
        )
    check_sequence(example, "compile.example")
    check_finite(example, "compile.example")
    with torch.inference_mode():
        model(example[:, :1])  # what is wrong with the example is said here
    graph = trace(model.module, example=example[0])
    fold_batch_norm(graph)
    _without_idle(graph)
    reader = ShapeReader(graph)
    memory = ProbeMemory()
    with torch.inference_mode(), probed(graph, example, memory), told(graph, len(example)):
        reader.run(fold(example[:, :2]))
    network = EventNetwork(model, graph, reader.shapes, weights)
    network.choose(example)
    return network


def _without_idle(graph: fx.GraphModule) -> None:
    """Take out the layers that do nothing in eval()."""
    for node in list(graph.graph.nodes):
        if type(module_of(graph, node)) in _IDLE:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()


def _last_uses(operations: list[Operation], graph: fx.GraphModule) -> dict[fx.Node, list[fx.Node]]:
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

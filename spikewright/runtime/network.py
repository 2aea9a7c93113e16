"""EventNetwork: a spiking network on events, in which a neuron that stays silent costs no time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..core.input_error import readable_input
from ..core.parallel import threads_for, threads_restored
from ..core.probe import Probed
from ..core.spiking import Spiking
from ..core.temporal import check_finite, check_sequence
from ..report.table import Table
from .choose import choose_path
from .compiled_network import CompiledNetwork, Found, last_uses, one_step_if_repeated
from .explain import Step, explained
from .layer import Layer
from .max_pools import MaxPools
from .plan import Operation, planned
from .sources import Source
from .wire import Wire

_TIME_FIRST = "Give it sequences [T, N, ...] of the channels and size that it was compiled for"


WEIGHTS = {kind: torch.zeros((), dtype=kind).numpy().dtype for kind in (torch.float32, torch.float16, torch.int8)}
"""Kinds of number in which weights can be kept."""


class EventNetwork(CompiledNetwork):
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
        super().__init__(model, graph, shapes, torch.device("cpu"))
        self.weights = weights
        found = self._probe()
        # where an image has several rows that differ, a neuron's constant part is no longer the same for the batch
        left = [layer for layer, heard in found.items() if any(len(part) > 1 for parts in heard for part in parts)]
        self.operations = planned(graph, {n: shapes[n.name] for n in graph.graph.nodes if n.name in shapes}, left)
        for source in (s for operation in self.operations for s in getattr(operation, "sources", ())):
            if isinstance(source, Source):
                source.stored = WEIGHTS[weights]
        self._constants = self._handed_out(found)
        self._last_use = last_uses(self.operations, graph)
        self._pace: dict[fx.Node, float] = {}  # of each operation, in seconds per sample and step on one thread

    def __deepcopy__(self, memo: dict) -> EventNetwork:
        twin = EventNetwork(*copy.deepcopy((self._source[0], self.graph), memo), self._shapes, self.weights)
        for own, other in zip(self.operations, twin.operations):
            for source, same in zip(getattr(own, "sources", ()), getattr(other, "sources", ())):
                same.density_limit = source.density_limit
            twin._pace[other.node] = self._pace[own.node]
        return twin

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

        The time on one thread that each operation then takes decides how many threads a call gives it. States that are
        being carried stay as they are: the example is a sequence of its own.

        Raises:
            ShapeError, ArgumentError, ConversionError: as in `forward`.
        """

        def decide(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
            if isinstance(operation, Layer):
                for source in operation.sources:
                    choose_path(operation, source, wires)
            return operation.run(wires)

        def timed(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
            begin = time.perf_counter()
            out = operation.run(wires)
            spent = (time.perf_counter() - begin) / rows
            self._pace[operation.node] = min(self._pace.get(operation.node, spent), spent)
            return out

        with self._lock, torch.inference_mode(), self._without_states(), threads_restored():
            self._check(example)
            some = example[:, : self._together(*example.shape[:2])]
            rows = len(some) * some.shape[1]
            torch.set_num_threads(1)
            self._run(some, decide)
            self._pace.clear()
            for _ in range(_ROUNDS):
                self._run(some, timed)

    def _handed_out(self, found: Found) -> tuple[list[Probed], list[list[tuple[Tensor, ...]]]]:
        """The probed layers that torch runs, with their constant parts; a layer that is compiled keeps its own."""
        for operation in self.operations:
            if isinstance(operation, Layer) and operation.neuron in found:
                ((operation.constant,),) = found.pop(operation.neuron)
            elif isinstance(operation, MaxPools) and operation.call.layer in found:
                ((operation.constant,),) = found.pop(cast(Probed, operation.call.layer))
        return list(found), list(found.values())

    def _together(self, timesteps: int, samples: int) -> int:
        """Samples that are run at a time, so that the lists that one layer hands to the next stay in the cache."""
        if self._carries:
            return samples  # a carried state is that of all samples
        largest = max((int(np.prod(op.shape)) for op in self.operations if isinstance(op, Layer)), default=1)
        return max(1, _LIST_BYTES // (2 * timesteps * largest))

    def explain(self, xs: Tensor) -> Table:
        """Run an input [T, N, ...] and say of every layer on which path it ran, how dense, how much work, how long.

        Inside `carry_state` it goes on from the states there are, and leaves them as they are.

        Raises:
            ShapeError, DataError, ArgumentError, ConversionError: as in `forward`.
        """
        with self._states_restored():
            self(xs)
        steps: list[Step] = []

        def timed(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
            given = tuple(replace(wires[node]) for node in operation.inputs if isinstance(wires[node], Wire))
            begin = time.perf_counter()
            out = operation.run(wires)
            steps.append(Step(operation, given, out, time.perf_counter() - begin))
            return out

        with self._lock, torch.inference_mode(), self._states_restored():
            self._run(xs, timed)
        return explained(steps, xs.shape[1], xs.shape[0])

    def _run(self, xs: Tensor, run: Callable[[Operation, Mapping[fx.Node, Any]], Any] | None = None) -> Wire:
        rows = len(xs) * xs.shape[1]
        with threads_restored() as allowed:

            def on_threads(operation: Operation, wires: Mapping[fx.Node, Any]) -> Any:
                torch.set_num_threads(threads_for(self._pace.get(operation.node, 0.0) * rows, allowed))
                return operation.run(wires) if run is None else run(operation, wires)

            several = on_threads if allowed > 1 else run
            return self._run_operations(self.operations, one_step_if_repeated(xs), len(xs), several)


_ROUNDS = 3
_LIST_BYTES = 8 * 1024 * 1024
"""Room for the lists of one layer with which a layer's input and output still stay in a shared cache. With fewer
samples at a time the weights of deep layers would be read more often."""

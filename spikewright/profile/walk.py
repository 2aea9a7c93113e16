"""A network run node by node, with the spikes on every wire counted and the cost of every operation added up."""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from ..core.errors import ArgumentError, ConversionError, sentence
from ..core.layer_outputs import emits_spikes
from ..core.probe import ProbeMemory, probed
from ..core.temporal import Temporal, fold, told, unfold
from ..core.trace import module_of, path_of, trace
from . import passing, synapses
from .events import Events, per_output
from .units import hands_on, spikes_in, spikes_of
from .wire import Call, Cost, Result, Wire, exchange, parts

MODULES = {**passing.MODULES, **synapses.MODULES}
FUNCTIONS = {**passing.FUNCTIONS, **synapses.FUNCTIONS}
METHODS = {**passing.METHODS, **synapses.METHODS}


@dataclass(frozen=True)
class Visit:
    """One operation that costs something, or one whose cost is not known (cost None).

    Args:
        site: where it stands; a name of its own for every call.
        operation: class of the module, or name of the function or method.
        spiking: whether spikes drive it.
        static: whether its input is analog and the same at every step.
        temporal: whether it is a neuron or another temporal layer.
    """

    site: str
    operation: str
    spiking: bool
    static: bool
    temporal: bool
    cost: Cost | None


def graph_of(network: nn.Module, leaves: Sequence[type[nn.Module]], who: str) -> fx.GraphModule:
    """A copy of a network as a graph in `eval()`; a graph module is taken as it is.

    Raises:
        ArgumentError: while the network's states are carried.
        ConversionError: if the network cannot be traced.
    """
    if any(getattr(part, "carry", None) is not None for part in network.modules()):
        raise ArgumentError(
            sentence(
                who,
                "a network inside carry_state",
                "one that starts afresh",
                "Count outside of the block; the count runs on a copy, which cannot move the carried states on",
            )
        )
    if isinstance(network, fx.GraphModule):
        return copy.deepcopy(network).eval()
    if isinstance(network, Temporal):
        network = nn.Sequential(network)  # the tracer looks inside its root, and a temporal layer has no inside
    try:
        return trace(network, leaves=tuple(leaves)).eval()
    except ConversionError as error:
        raise ConversionError(
            f"{who}: operations are counted along the network's graph, and {error} "
            "Spikes are counted without a graph: count_spikes(model, ...)."
        ) from error


class Walk(fx.Interpreter):
    """Runs a graph on sequences and notes what every operation costs.

    Args:
        graph: a graph from `graph_of`.
        free: classes of modules taken as activation functions, which cost nothing.
        events: how outputs of several sizes are counted.
    """

    def __init__(
        self, graph: fx.GraphModule, free: Sequence[type[nn.Module]] = (), events: Events = per_output
    ) -> None:
        super().__init__(graph)
        self.events = events
        self.extra_traceback = False
        self.free = tuple(free)

    @torch.inference_mode()
    def visits(self, xs: Tensor, amplitude: float | None) -> list[Visit]:
        """Run a sequence [T, N, ...]; `amplitude` is what an input spike delivers, None for analog input."""
        self.timesteps, self.row_count = xs.shape[0], xs.shape[0] * xs.shape[1]
        self.names: Counter[str] = Counter()
        self.noted: list[Visit] = []
        counts = None if amplitude is None else spikes_in(xs, torch.tensor(amplitude, device=xs.device), "input")
        static = counts is None and bool((xs == xs[:1]).all())
        with probed(self.module, xs, ProbeMemory()), told(self.module, self.timesteps):
            self.run(Wire(fold(xs), None if counts is None else fold(counts), static))
        return self.noted

    def run_node(self, n: fx.Node) -> Any:
        """One node: its value, the spikes on it, and a note of its cost."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        wires = [part for part in parts((args, kwargs)) if isinstance(part, Wire)]
        if not n.op.startswith("call_") or not wires:
            return getattr(self, n.op)(n.target, args, kwargs)

        def run(args: Any, kwargs: Any) -> Any:
            return getattr(self, n.op)(n.target, args, kwargs)

        out = run(*exchange((args, kwargs), lambda wire: wire.value))
        if not any(isinstance(part, Tensor) for part in parts(out)):
            return out
        module = module_of(self.module, n)  # pyright: ignore[reportArgumentType]
        call = Call(self._name(n), _operation(n, module), module, args, kwargs, out, run, self.row_count)
        temporal = isinstance(module, Temporal)
        result = self._temporal(call, module) if isinstance(module, Temporal) else self._ordinary(n, call)
        static = all(wire.static for wire in wires)
        spiking = any(wire.counts is not None for wire in wires)
        unknown = result is None or (temporal and module is not None and _holds_others(module))
        if unknown or result.cost is not None:  # pyright: ignore[reportOptionalMemberAccess]
            cost = None if unknown else result.cost  # pyright: ignore[reportOptionalMemberAccess]
            self.noted.append(Visit(call.site, call.operation, spiking, static, temporal, cost))
        corrections = _sends_corrections(module) if temporal else any(wire.corrections for wire in wires)
        graded = _sends_numbers(module) if temporal else any(wire.graded for wire in wires)
        counts = None if result is None else result.counts
        return Wire(out, counts, static and not temporal, graded and counts is not None, corrections)

    def _ordinary(self, node: fx.Node, call: Call) -> Result | None:
        if isinstance(call.module, self.free):
            return Result()
        table: dict[Any, Any] = {"call_module": MODULES, "call_function": FUNCTIONS}.get(node.op, METHODS)
        handler = table.get(node.target if call.module is None else type_before_parametrizations(call.module))
        first = next(parts((call.args, call.kwargs)))
        if handler is None or (handler in _BY_FIRST and not isinstance(first, Wire)):
            return None
        return handler(call)

    def _temporal(self, call: Call, layer: Temporal) -> Result | None:
        if layer.costs_unknown:
            return None
        if layer.moves_only:
            return passing.rearranged(call)
        if hands_on(layer):
            return passing.handed_on(call, self.timesteps)
        if not layer.fires:
            product = len(call.wires) == 2 and _is_product(layer)
            result = passing.product_over_time(call, self.timesteps) if product else passing.computed_over_time(call)
            return replace(result, counts=(call.out != 0).to(torch.float32)) if _sends_corrections(layer) else result
        synops = sum(call.per_row(wire.counts) for wire in call.wires if wire.counts is not None)
        cost = Cost(synops=synops, updates=self._updates(call))
        if not emits_spikes(layer):
            return Result(None, cost)
        return Result(fold(spikes_of(layer, unfold(call.out, self.timesteps), call.site, self.events)), cost)

    def _updates(self, call: Call) -> int | Tensor:
        """Neuron updates of each row; a layer that replays a window does so in these steps, before its first output."""
        once, layer = call.elements(call.out), call.module
        if not isinstance(layer, Temporal) or not layer.window * layer.replays:
            return once
        rows = torch.full((self.timesteps, self.row_count // self.timesteps), once, device=call.out.device)
        rows[: layer.window] *= 1 + layer.replays
        return rows.flatten()

    def _name(self, node: fx.Node) -> str:
        path = path_of(node)
        self.names[path] += 1
        return path if self.names[path] == 1 else f"{path}_{self.names[path]}"


_KNOWN = ("torch", __name__.partition(".")[0])
_BY_FIRST = (synapses.convolution, synapses.transposed_convolution, synapses.linear)


def _sends_corrections(module: nn.Module | None) -> bool:
    return bool(getattr(module, "sends_corrections", False))


def _holds_others(module: nn.Module) -> bool:
    """Whether a unit computes a module of somebody else's, kept whole, whose operations nobody has seen."""
    return any(type(part).__module__.partition(".")[0] not in _KNOWN for part in module.modules())


def _sends_numbers(module: nn.Module | None) -> bool:
    return _sends_corrections(module) and isinstance(module, Temporal) and not module.fires


def _is_product(layer: Temporal) -> bool:
    """Whether a layer over time computes a function that is linear in each of its two inputs."""
    function = getattr(layer, "function", None)
    target = getattr(function, "target", function)
    return target in _PRODUCTS


_PRODUCTS = (torch.mul, torch.multiply, operator.mul, torch.matmul, torch.bmm, operator.matmul)
_PRODUCTS += ("mul", "multiply", "matmul", "bmm", "__matmul__", "__mul__")


def _operation(node: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type_before_parametrizations(module).__name__
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")

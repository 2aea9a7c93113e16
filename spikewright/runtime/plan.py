"""planned(graph, ...): a network's nodes as operations: layers of neurons with all that drives them, torch's calls."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from typing import Any, cast

import torch
from torch import fx, nn

from ..core.dynamics import Dynamics, MaxPool, dynamics_of
from ..core.neuron import Neuron
from ..core.trace import module_of, path_of
from .events import MOST_CHANNELS
from .layer import Layer
from .lists import Concat, Pool
from .max_pools import MaxPools
from .program import no_neurons, program
from .sources import LAYERS, Source, straight, through
from .synapses import Geometry
from .torch_call import TorchCall
from .wire import image_of

Operation = Layer | Pool | Concat | MaxPools | TorchCall

_ADDITIONS = (operator.add, torch.add, operator.iadd)
_CONCATENATIONS = (torch.cat, torch.concat, torch.concatenate)
_FLATTENING = (torch.flatten, torch.reshape)
Shapes = Mapping[fx.Node, tuple[int, ...]]


def planned(graph: fx.GraphModule, shapes: Shapes, left: Collection[nn.Module] = ()) -> list[Operation]:
    """Operations in order of execution.

    Args:
        graph: the traced network.
        shapes: one sample's shape at every node that holds a tensor.
        left: layers that are left to torch in any case.
    """
    operations: list[Operation] = []
    taken: set[fx.Node] = set()
    ours = [node for node in graph.graph.nodes if module_of(graph, node) not in left]
    layers = {node: _layer(graph, node, shapes, taken) for node in reversed(ours) if node not in taken}
    made: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if node in taken or node.op in ("placeholder", "output"):
            continue
        joined = layers.get(node) or _pool(graph, node, shapes, made) or _concat(node, shapes, made)
        call = TorchCall(node, graph, path_of(node))
        operations.append(joined or (None if call.layer in left else _max_pools(call, shapes)) or call)
        if makes_events(operations[-1]) or _passes_events(operations[-1], made):
            made.add(node)
    return [operation for operation in operations if _is_read(operation, operations, graph)]


def makes_events(operation: Operation) -> bool:
    """Whether what an operation hands on is made of lists."""
    return isinstance(operation, Pool | Concat) or (isinstance(operation, Layer) and not operation.plain)


def _passes_events(operation: Operation, made: set[fx.Node]) -> bool:
    """Whether an operation hands on lists while it is given some."""
    return isinstance(operation, MaxPools) and operation.pool.gate and operation.source in made


def _pool(graph: fx.GraphModule, node: fx.Node, shapes: Shapes, made: set[fx.Node]) -> Pool | None:
    layer, given = module_of(graph, node), node.args[0] if node.args else None
    if not isinstance(given, fx.Node) or given not in made or len(shapes[given]) != 3 or node not in shapes:
        return None
    _, height, width = image_of(shapes[given])
    shape = shapes[node]
    if type(layer) is nn.AvgPool2d:
        layer = cast(Any, layer)
        kernel, stride, padding = map(_pair, (layer.kernel_size, layer.stride, layer.padding))
        if layer.ceil_mode or layer.divisor_override or not (layer.count_include_pad or padding == (0, 0)):
            return None
        geometry = Geometry(kernel, stride, padding)
    elif type(layer) is nn.AdaptiveAvgPool2d and len(shape) == 3 and not (height % shape[1] or width % shape[2]):
        window = height // shape[1], width // shape[2]
        geometry = Geometry(window, window)
    else:
        return None
    return Pool(node, given, path_of(node), geometry, shape)


def _max_pools(call: TorchCall, shapes: Shapes) -> MaxPools | None:
    given = call.node.args[0] if call.node.args else None
    pool = None if call.layer is None else dynamics_of(call.layer)
    if not isinstance(pool, MaxPool) or not isinstance(given, fx.Node) or len(shapes.get(given, ())) != 3:
        return None
    if is_watched(cast(nn.Module, call.layer)):
        return None
    return MaxPools(call, given, pool, shapes[call.node])


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _concat(node: fx.Node, shapes: Shapes, made: set[fx.Node]) -> Concat | None:
    if node.op != "call_function" or node.target not in _CONCATENATIONS or node not in shapes:
        return None
    given: Any = node.args
    axis = given[1] if len(given) > 1 else node.kwargs.get("dim", 0)
    parts = list(given[0]) if given and isinstance(given[0], list | tuple) else []
    if (
        axis not in (1, -len(shapes[node]))
        or not parts
        or shapes[node][0] > MOST_CHANNELS
        or not all(part in made for part in parts)
    ):
        return None
    return Concat(node, cast(list[fx.Node], parts), path_of(node), shapes[node])


def _layer(graph: fx.GraphModule, node: fx.Node, shapes: Shapes, taken: set[fx.Node]) -> Layer | None:
    if node not in shapes or len(shapes[node]) not in (1, 2, 3) or shapes[node][0] > MOST_CHANNELS:
        return None
    module, shape = module_of(graph, node), shapes[node]
    if isinstance(module, Neuron):
        dynamics = dynamics_of(module)
        found = None if dynamics is None else program(cast(Dynamics, dynamics), module.amplitude, shape)
        if found is None or is_watched(module) or not isinstance(node.args[0], fx.Node):
            return None
        absorbed: list[fx.Node] = []
        sources = _driven_by(graph, node.args[0], shapes, absorbed)
        taken.update(absorbed)
        return Layer(node, path_of(node), sources, found, shape, module)
    absorbed = []
    if not (is_sum(graph, node, shapes) or type(module) in LAYERS):
        return None
    sources = _driven_by(graph, node, shapes, absorbed, root=True)
    if not any(source.name for source in sources):
        return None  # a bare addition is torch's
    taken.update(other for other in absorbed if other is not node)
    name = next(source.name for source in sources if source.name)
    return Layer(node, name, sources, no_neurons(shape), shape)


def is_watched(layer: nn.Module) -> bool:
    """Whether someone wants to see every call of a layer."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


def _driven_by(
    graph: fx.GraphModule, node: fx.Node, shapes: Shapes, absorbed: list[fx.Node], root: bool = False
) -> list[Source]:
    """What drives a layer whose currents are this node's output, and which nodes that takes the place of."""
    if root or len(node.users) == 1:
        if is_sum(graph, node, shapes):
            absorbed.append(node)
            return [source for part in node.args for source in _driven_by(graph, part, shapes, absorbed)]  # pyright: ignore[reportArgumentType]
        source = _weighted(graph, node, shapes, absorbed)
        if source is not None:
            return [source]
    return [straight(node, shapes[node][0])]


def _weighted(graph: fx.GraphModule, node: fx.Node, shapes: Shapes, absorbed: list[fx.Node]) -> Source | None:
    layer = module_of(graph, node)
    given = node.args[0] if len(node.args) == 1 and not node.kwargs else None
    if layer is None or type(layer) not in LAYERS or not isinstance(given, fx.Node) or given not in shapes:
        return None
    flattened: list[fx.Node] = []
    while isinstance(layer, nn.Linear) and _flattens(graph, given, shapes):
        if len(given.users) == 1:
            flattened.append(given)
        given = cast(fx.Node, given.args[0])
    if isinstance(layer, nn.Linear) and len(shapes[node]) != 1:  # of tokens, the last axis
        return None
    source = through(layer, path_of(node), given, shapes[given])
    if source is not None:
        absorbed += [node, *flattened]
    return source


def is_sum(graph: fx.GraphModule, node: fx.Node, shapes: Shapes) -> bool:
    added = (
        node.target in _ADDITIONS if node.op == "call_function" else node.op == "call_method" and node.target == "add"
    )
    if not added or len(node.args) != 2 or node.kwargs or node not in shapes:
        return False
    return all(isinstance(part, fx.Node) and shapes.get(part) == shapes[node] for part in node.args)


def _flattens(graph: fx.GraphModule, node: fx.Node, shapes: Shapes) -> bool:
    """Whether a node makes [N, F] of [N, *F], in that order."""
    kind = type(module_of(graph, node)) is nn.Flatten
    method = node.op == "call_method" and node.target in ("flatten", "view", "reshape")
    function = node.op == "call_function" and node.target in _FLATTENING
    if not (kind or method or function) or not node.args or not isinstance(node.args[0], fx.Node):
        return False
    before, after = shapes.get(node.args[0]), shapes.get(node)
    return before is not None and after is not None and len(after) == 1 and int(torch.Size(before).numel()) == after[0]


def _is_read(operation: Operation, operations: list[Operation], graph: fx.GraphModule) -> bool:
    returned = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    return operation.node is returned or any(operation.node in other.inputs for other in operations)

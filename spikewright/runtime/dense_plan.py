"""dense_plan(graph, ...): a network's nodes as operations on all time steps in one batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import torch
from torch import fx, nn

from ..core.dynamics import Dynamics, dynamics_of
from ..core.neuron import Neuron
from ..core.trace import module_of, path_of
from .dense_layer import LAYERS, DenseLayer, narrowed
from .dense_neurons import DenseNeurons, dense_neurons
from .plan import is_sum, is_watched
from .torch_call import TorchCall

DenseOperation = DenseLayer | DenseNeurons | TorchCall
Shapes = Mapping[fx.Node, tuple[int, ...]]


def dense_plan(graph: fx.GraphModule, shapes: Shapes, weights: torch.dtype) -> list[DenseOperation]:
    """Operations in order of execution.

    A layer's bias and a sum of two wires become part of the neurons that they reach and nobody else reads. What goes
    from a layer in fewer bits to such neurons only, or from them to such layers only, stays in fewer bits; all other
    wires are in float32.

    Args:
        graph: the traced network.
        shapes: one sample's shape at every node that holds a tensor.
        weights: dtype of weights and of what is multiplied with them.
    """
    neurons = {node: found for node in graph.graph.nodes if (found := _neurons(graph, node, shapes)) is not None}
    joined = {node for found in neurons.values() for node in _summed(graph, found, shapes)}
    operations: list[DenseOperation] = []
    for node in graph.graph.nodes:
        if node in joined or node.op in ("placeholder", "output"):
            continue
        layer = module_of(graph, node)
        if node in neurons:
            found = neurons[node]
            if all(_is_dense(graph, user) for user in node.users):
                found.out = weights
            operations.append(found)
        elif _is_dense(graph, node):
            merged = _is_merged(graph, node, neurons, joined)
            twin = narrowed(cast(nn.Module, layer), weights, biased=not merged)
            out = weights if merged else torch.float32
            operations.append(DenseLayer(node, path_of(node), cast(fx.Node, node.args[0]), twin, weights, out))
        else:
            operations.append(TorchCall(node, graph, path_of(node)))
    return operations


def _is_dense(graph: fx.GraphModule, node: fx.Node) -> bool:
    layer = module_of(graph, node)
    if type(layer) not in LAYERS or is_watched(cast(nn.Module, layer)):
        return False
    return len(node.args) == 1 and not node.kwargs and isinstance(node.args[0], fx.Node)


def _neurons(graph: fx.GraphModule, node: fx.Node, shapes: Shapes) -> DenseNeurons | None:
    neuron = module_of(graph, node)
    given = node.args[0] if node.args else None
    if not isinstance(neuron, Neuron) or is_watched(neuron) or not isinstance(given, fx.Node):
        return None
    if node not in shapes or len(_calls(graph, node)) > 1:
        return None
    inputs = _summands(graph, given, shapes)
    shape = shapes[node]
    bias = torch.zeros(shape[0], device=neuron.amplitude.device)
    for source in inputs:
        own: Any = module_of(graph, source) if _has_mergeable_bias(graph, source, shape) else None
        if own is not None and own.bias is not None:
            bias = bias + own.bias.detach()
    dynamics = cast("Dynamics | None", dynamics_of(neuron))
    return dense_neurons(node, path_of(node), inputs, shape, neuron, dynamics, bias)


def _calls(graph: fx.GraphModule, node: fx.Node) -> list[fx.Node]:
    return [other for other in graph.graph.nodes if other.op == "call_module" and other.target == node.target]


def _summands(graph: fx.GraphModule, node: fx.Node, shapes: Shapes) -> list[fx.Node]:
    """The two wires whose sum a node is, if it is one that nobody else reads; else the node itself."""
    if len(node.users) > 1 or not is_sum(graph, node, shapes):
        return [node]
    return cast("list[fx.Node]", list(node.args))


def _summed(graph: fx.GraphModule, neurons: DenseNeurons, shapes: Shapes) -> list[fx.Node]:
    """The sum that became part of neurons."""
    given = cast(fx.Node, neurons.node.args[0])
    return [] if neurons.inputs == [given] else [given]


def _has_mergeable_bias(graph: fx.GraphModule, node: fx.Node, shape: tuple[int, ...]) -> bool:
    """Whether a layer's output is read once, and its bias belongs to the first axis of a sample of this shape."""
    axes = {nn.Linear: 1, nn.Conv2d: 3}.get(type(module_of(graph, node)))  # pyright: ignore[reportArgumentType]
    return len(node.users) == 1 and _is_dense(graph, node) and len(shape) == axes


def _is_merged(
    graph: fx.GraphModule,
    node: fx.Node,
    neurons: Mapping[fx.Node, DenseNeurons],
    joined: Collection[fx.Node],
) -> bool:
    """Whether a layer's output is read by neurons alone, which add its bias."""
    if len(node.users) != 1:
        return False
    (reader,) = node.users
    if reader in joined:
        (reader,) = reader.users
    return reader in neurons and _has_mergeable_bias(graph, node, neurons[reader].shape)

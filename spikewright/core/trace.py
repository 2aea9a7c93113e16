"""trace(module): the network as a torch.fx graph, with readable failure; every call site is a node of its own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from .arguments import check_module
from .errors import ConversionError
from .inplace import Recorder, without_inplace
from .temporal import Temporal


class _Tracer(fx.Tracer):
    """Stops at torch.nn layers, temporal layers, and the classes it is told."""

    def __init__(self, leaves: tuple[type[nn.Module], ...] = ()) -> None:
        super().__init__()
        self.leaves = leaves

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Temporal, *self.leaves)) or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Recorder(node, self)


def trace(module: nn.Module, *, leaves: Sequence[type[nn.Module]] = ()) -> fx.GraphModule:
    """Trace a copy of a module into a graph; the module itself stays as it is.

    Functional dropout becomes a module, so that the graph follows `train()` and `eval()` like the original; in-place
    operations become ordinary ones.

    Args:
        module: the network; one tensor in, one tensor out.
        leaves: classes to keep whole, as one node each.

    Returns:
        A graph module with the same parameters' names and, for `module.training` as it is, the same function.

    Raises:
        ConversionError: if the forward pass branches on data, or takes or returns something else than one tensor.
    """
    check_module(module, "trace.module")
    source = copied(module)
    try:
        graph = _Tracer(tuple(leaves)).trace(source)
    except Exception as error:  # whatever user code raises when it meets a symbolic value
        raise ConversionError(
            f"{type(module).__name__}: cannot be traced into a graph ({type(error).__name__}: {error}). "
            "The forward pass must not branch on values or shapes of tensors, nor turn them into Python numbers. "
            "Rewrite that part with tensor operations, or keep its module whole with leaves=(ThatClass,)."
        ) from error
    _check_signature(type(module).__name__, graph)
    without_inplace(source, graph)
    graph_module = fx.GraphModule(source, graph, type(module).__name__)
    graph_module.graph.eliminate_dead_code()
    _dropout_as_module(graph_module)
    graph_module.train(module.training)
    return graph_module


def copied(module: nn.Module) -> nn.Module:
    """A deep copy of a module.

    Raises:
        ConversionError: if it holds something that cannot be copied, e.g. an activation kept from a forward pass.
    """
    try:
        return copy.deepcopy(module)
    except Exception as error:  # whatever an attribute of the user's module raises
        raise ConversionError(
            f"{type(module).__name__}: cannot be copied ({type(error).__name__}: {error}). Remove what its forward "
            "pass or a hook has stored on it, or convert a freshly loaded network."
        ) from error


def _check_signature(name: str, graph: fx.Graph) -> None:
    inputs = [node for node in graph.nodes if node.op == "placeholder" and not node.args]
    if len(inputs) != 1 or str(inputs[0].target).startswith("*"):
        raise ConversionError(
            f"{name}: takes {len(inputs)} tensors ({', '.join(str(n.target) for n in inputs)}); expected one, "
            "the images. Wrap the network in a module that supplies the others."
        )
    returned = next(node for node in graph.nodes if node.op == "output").args[0]
    if not isinstance(returned, fx.Node):
        raise ConversionError(
            f"{name}: returns {type(returned).__name__.removeprefix('immutable_')}; expected one tensor, the logits. "
            "Wrap the network in a module that returns only them."
        )


_DROPOUTS: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    torch.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
}


def _dropout_as_module(graph_module: fx.GraphModule) -> None:
    for node in list(graph_module.graph.nodes):
        if node.op == "call_function" and node.target in _DROPOUTS:
            p = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            replace_call(graph_module, node, free_path(graph_module, node.name), _DROPOUTS[node.target](p))
    graph_module.recompile()


def module_of(graph_module: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls, or None if it calls a function or method."""
    return graph_module.get_submodule(str(node.target)) if node.op == "call_module" else None


def path_of(node: fx.Node) -> str:
    """Where a node stands in the source: the module's path, or the owner's path and the function's name."""
    if node.op == "call_module":
        return str(node.target)
    stack: dict[str, Any] = node.meta.get("nn_module_stack", {})
    owner = next(reversed(stack.values()), ("",))[0] if stack else ""
    return f"{owner}.{node.name}" if owner else node.name


def free_path(graph_module: fx.GraphModule, path: str) -> str:
    """The path itself if no submodule has it, else with the first free number: `act`, `act_2`, `act_3`..."""
    number, candidate = 1, path
    while _exists(graph_module, candidate):
        number += 1
        candidate = f"{path}_{number}"
    return candidate


def _exists(module: nn.Module, path: str) -> bool:
    head, _, rest = path.partition(".")
    if not hasattr(module, head):
        return False
    part = getattr(module, head)
    return not rest or not isinstance(part, nn.Module) or _exists(part, rest)


def replace_call(graph_module: fx.GraphModule, node: fx.Node, path: str, module: nn.Module) -> fx.Node:
    """Let a new module at `path` do a node's work on the node's first argument; returns the new node."""
    graph_module.add_submodule(path, module)
    with graph_module.graph.inserting_after(node):
        new = graph_module.graph.call_module(path, (node.all_input_nodes[0],))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph_module.graph.erase_node(node)
    return new

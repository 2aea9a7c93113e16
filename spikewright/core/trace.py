"""trace(module): the network as a torch.fx graph, with readable failure; every call site is a node of its own."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from .arguments import check_module
from .errors import ConversionError, ShapeError, sentence
from .example import Answering, Example
from .inplace import Recorder, without_inplace
from .sized_constants import sized_constants
from .temporal import Temporal

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Tracer(fx.Tracer):
    """Stops at torch.nn layers, temporal layers, and the classes it is told; notes where it fails."""

    def __init__(self, leaves: tuple[type[nn.Module], ...] = (), example: Example | None = None) -> None:
        super().__init__()
        self.leaves = leaves
        self.example = example
        self.proxy_buffer_attributes = example is not None
        self.failed: tuple[Exception, str, nn.Module] | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Temporal, *self.leaves)) or super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """The images, and a symbol for every further argument without a default value; the others keep theirs."""
        _, *parameters = inspect.signature(root_fn).parameters.values()
        needed = [one for one in parameters if one.kind in _BY_PLACE and one.default is inspect.Parameter.empty]
        if not needed:  # forward(self, *args), or images with a default value
            needed = parameters[:1]
        return root_fn, [self.root, *(self.create_proxy("placeholder", one.name, (), {}) for one in needed)]

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if self.example is not None and self.example.running:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception as error:  # whatever user code raises when it meets a symbolic value
            if self.failed is None or self.failed[0] is not error:
                self.failed = (error, self.path_of_module(m), m)
            raise

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Recorder(node, self) if self.example is None else Answering(node, self)


def trace(
    module: nn.Module, *, leaves: Sequence[type[nn.Module]] = (), example: Tensor | None = None
) -> fx.GraphModule:
    """Trace a copy of a module into a graph; the module itself stays as it is.

    Functional dropout becomes a module, so that the graph follows `train()` and `eval()` like the original; in-place
    operations become ordinary ones.

    With an example, decisions that depend on shapes alone (`if x.shape[2] > 7`, `for i in range(x.size(1))`,
    `len(x.shape)`) are taken as the example has it, for every batch size above 1, and are part of the graph from then
    on. Sizes that go into `view` or `reshape` stay sizes, as the batch is multiplied by time at run time.

    Args:
        module: the network; one tensor in, one tensor out; further arguments keep their default values.
        leaves: classes to keep whole, as one node each.
        example: images [N, ...], of which the first is run along.

    Returns:
        A graph module with the same parameters' names and, for `module.training` as it is, the same function.

    Raises:
        ConversionError: if the forward pass branches on data, or takes or returns something else than one tensor.
        ShapeError: if the example is no floating-point batch.
    """
    check_module(module, "trace.module")
    source = copied(module)
    tracer = _Tracer(tuple(leaves), None if example is None else _example(source, example))
    try:
        with sized_constants():
            graph = tracer.trace(source)
    except Exception as error:
        raise _untraceable(module, tracer, error) from error
    _check_signature(type(module).__name__, graph)
    without_inplace(source, graph)
    graph_module = fx.GraphModule(source, graph, type(module).__name__)
    graph_module.graph.eliminate_dead_code()
    _dropout_as_module(graph_module)
    graph_module.train(module.training)
    return graph_module


def _example(source: nn.Module, batch: Tensor) -> Example:
    if not isinstance(batch, Tensor) or not batch.is_floating_point() or batch.dim() < 2 or not len(batch):
        met = f"{list(batch.shape)} in {batch.dtype}" if isinstance(batch, Tensor) else type(batch).__name__
        raise ShapeError(sentence("trace.example", met, "a floating-point batch [N, ...], N >= 1"))
    return Example(source, copied(source), batch)


def _untraceable(module: nn.Module, tracer: _Tracer, error: Exception) -> ConversionError:
    """What stopped the trace, in which submodule, and what to do; `leaves` only where there is a class to name."""
    name = kind = type(module).__name__
    where, whole = "its own forward pass", ""
    if tracer.failed is not None and tracer.failed[0] is error:
        _, path, part = tracer.failed
        kind = type(part).__name__
        where = f"{path} ({kind})"
        whole = (
            f", or keep the module whole with leaves=({kind},): DCGS and HMT make a unit of it, others need a rule or "
            "allow=(...)"
        )
    if isinstance(error, AttributeError | NameError | ImportError | KeyError):
        todo = f"Does {kind} run by itself?"
        return ConversionError(f"{name}: cannot be traced into a graph: {where} fails ({_said(error)}). {todo}")
    shapes = (
        ""
        if tracer.example
        else "If it decides on shapes alone, give an example batch, example=images "
        "(spikewright check: --image 3,32,32). "
    )
    return ConversionError(
        f"{name}: cannot be traced into a graph: {where} fails ({_said(error)}). {shapes}Decisions must not depend on "
        f"values of tensors, nor turn them into Python numbers: rewrite that part with tensor operations{whole}."
    )


def _said(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text if isinstance(error, ConversionError) else f"{type(error).__name__}: {text}"


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
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
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
            replace_call(
                graph_module,
                node,
                free_path(graph_module, node.name),
                _DROPOUTS[node.target](p),
                node.all_input_nodes[:1],
            )
    graph_module.recompile()


def module_of(graph_module: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls, or None if it calls a function or method."""
    return graph_module.get_submodule(str(node.target)) if node.op == "call_module" else None


def attribute_of(graph_module: fx.GraphModule, value: Any) -> Any:
    """A parameter, buffer or constant that an argument of a node refers to; a plain value is itself.

    Raises:
        ConversionError: if it is computed.
    """
    if not isinstance(value, fx.Node):
        return value
    if value.op != "get_attr":
        raise ConversionError(
            f"{value.name}: is computed at every call; expected a parameter, a buffer or a number. Store it in one."
        )
    return operator.attrgetter(str(value.target))(graph_module)


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


def replace_call(
    graph_module: fx.GraphModule, node: fx.Node, path: str, module: nn.Module, inputs: Sequence[fx.Node]
) -> fx.Node:
    """Let a new module at `path` do a node's work on these inputs; returns the new node."""
    graph_module.add_submodule(path, module)
    with graph_module.graph.inserting_after(node):
        new = graph_module.graph.call_module(path, tuple(inputs))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph_module.graph.erase_node(node)
    return new

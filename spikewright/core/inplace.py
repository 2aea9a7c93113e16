"""without_inplace(graph): operations that write into their input become ordinary ones, with the same results."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from .errors import ConversionError

_IN_PLACE_OPERATORS: dict[Any, Callable] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
_SAME_MEMORY = {
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "squeeze", "unsqueeze", "expand", "narrow"),
    *("select", "chunk", "split", "unbind", "contiguous", "detach", "to", "float", "double", "type_as", "getitem"),
    *("getattr", "dropout", "Flatten", "Unflatten", "Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"),
    "AlphaDropout",
}
"""Names of what may return a tensor that shares memory with its input."""


class Recorder(fx.Proxy):
    """A symbolic tensor for which `x += y` is an operation of its own, as it is for a real one."""

    def _record(self, target: Callable, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", target, (self, other), {})

    def __iadd__(self, other: Any) -> fx.Proxy:
        return self._record(operator.iadd, other)

    def __isub__(self, other: Any) -> fx.Proxy:
        return self._record(operator.isub, other)

    def __imul__(self, other: Any) -> fx.Proxy:
        return self._record(operator.imul, other)

    def __itruediv__(self, other: Any) -> fx.Proxy:
        return self._record(operator.itruediv, other)


def without_inplace(root: nn.Module, graph: fx.Graph) -> None:
    """Rewrite a fresh trace so that no operation changes a tensor; whoever reads the changed tensor reads the result.

    Args:
        root: the traced module, whose layers' `inplace` is switched off.
        graph: its trace, changed in place.

    Raises:
        ConversionError: if what an operation overwrites is also read through another view of the same memory, or
            the operation has no form that returns its result.
    """
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if not _writes(root, node):
            continue
        written = next(iter(node.all_input_nodes), None)
        if written is None or _is_number(written):
            _return_instead(root, node)
            continue
        others = {view for view in _views(root, graph, written) - {written} if order[view] < order[node]}
        readers = {user for other in others for user in other.users if not _is_number(user)}
        if any(order[reader] > order[node] for reader in readers):
            raise ConversionError(
                f"{node.name}: changes {written.name} in place, which is then read through another view of the same "
                "memory; expected every operation to return its result. Write it without in-place operations."
            )
        for user in list(written.users):
            if order[user] > order[node]:
                user.replace_input_with(written, node)
        _return_instead(root, node)


def _kind(root: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(root.get_submodule(str(node.target))).__name__
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _writes(root: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(root.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_function", "call_method"):
        return False
    name = _kind(root, node)
    by_name = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
    return by_name or node.target in _IN_PLACE_OPERATORS or bool(node.kwargs.get("inplace")) or _has_out(node)


def _has_out(node: fx.Node) -> bool:
    return node.kwargs.get("out") is not None


def reads_shape(node: fx.Node) -> bool:
    """Whether a node reads what a tensor is like, its shape, dtype or device, and not its values."""
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in ("shape", "ndim", "dtype", "device", "is_cuda", "requires_grad")
    return node.op == "call_method" and node.target in ("size", "dim", "ndimension", "numel", "nelement")


def ignores_values(node: fx.Node) -> bool:
    """Whether a node's value does not depend on the values of its arguments: sizes, and constants of such a size."""
    if reads_shape(node):
        return True
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and name in _CONSTANTS


_CONSTANTS = ("new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like")


def _is_number(node: fx.Node) -> bool:
    """Whether a node is a size or computed from sizes alone: a Python number, which nothing can change in place."""
    if reads_shape(node):
        return True
    return node.op == "call_function" and bool(node.all_input_nodes) and all(map(_is_number, node.all_input_nodes))


def _return_instead(root: nn.Module, node: fx.Node) -> None:
    name = _kind(root, node).removesuffix("_")
    if node.op == "call_module":
        root.get_submodule(str(node.target)).inplace = False  # pyright: ignore[reportArgumentType]
    elif node.target in _IN_PLACE_OPERATORS:
        node.target = _IN_PLACE_OPERATORS[node.target]
    elif node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    elif node.op == "call_method" and callable(getattr(Tensor, name, None)):
        node.target = name
    elif node.op == "call_function" and not _has_out(node) and (hasattr(torch, name) or hasattr(F, name)):
        node.target = getattr(torch, name, None) or getattr(F, name)
    else:
        raise ConversionError(
            f"{node.name}: {_kind(root, node)} writes into a tensor; expected operations that return their result. "
            "Write it without in-place operations and without out=."
        )


def _views(root: nn.Module, graph: fx.Graph, node: fx.Node) -> set[fx.Node]:
    """Every node that may share memory with a node, itself included."""
    while node.all_input_nodes and _kind(root, node) in _SAME_MEMORY:
        node = node.all_input_nodes[0]
    shared = {node}
    for other in graph.nodes:  # in order of execution, so one pass is enough
        if other.all_input_nodes and other.all_input_nodes[0] in shared and _kind(root, other) in _SAME_MEMORY:
            shared.add(other)
    return shared

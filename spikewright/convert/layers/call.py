"""Call: one call of a traced network as a module of its activities alone, its constants held inside."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from ...core.errors import ConversionError
from ...core.inplace import ignores_values
from ...core.trace import path_of


@dataclass(frozen=True)
class _Slot:
    """Stands for the activity of that number."""

    number: int


@dataclass(frozen=True)
class _Held:
    """Stands for the tensor held under that name."""

    name: str


@dataclass(frozen=True)
class _Sized:
    """Stands for a size, or what is computed from sizes, of the activities of the call."""

    op: str
    target: Any
    arguments: Any


class Call(nn.Module):
    """A function, method or module with everything but its activities filled in; [N, ...] in and out.

    Sizes of its activities among the arguments (`F.layer_norm(x, x.shape[-1:])`) are read anew at every call.

    Args:
        graph: the traced network.
        node: the call.
        activities: the nodes among its arguments that depend on the image, in order, with repetitions.

    Raises:
        ConversionError: if an argument is computed from the shape of something that is not among the activities.
    """

    def __init__(self, graph: fx.GraphModule, node: fx.Node, activities: Sequence[fx.Node]) -> None:
        super().__init__()
        self.called = str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
        self.op = node.op
        self.target: Any = graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        left = list(range(len(activities)))

        def stand_in(value: fx.Node) -> Any:
            for place, number in enumerate(left):
                if activities[number] is value:
                    return _Slot(left.pop(place))
            constant = _constant(graph, value)
            return self._sized(graph, value, node, activities) if constant is _COMPUTED else self._hold(constant)

        self.arguments = fx.map_arg((node.args, node.kwargs), stand_in)  # pyright: ignore[reportArgumentType]

    def _hold(self, constant: Any) -> Any:
        if not isinstance(constant, Tensor):
            return constant
        name = f"constant_{len(list(self.buffers(recurse=False)))}"
        self.register_buffer(name, constant.detach())
        return _Held(name)

    def _sized(self, graph: fx.GraphModule, value: fx.Node, node: fx.Node, activities: Sequence[fx.Node]) -> Any:
        if value in activities:
            return _Slot(activities.index(value))
        constant = _constant(graph, value)
        if constant is not _COMPUTED:
            return self._hold(constant)
        if _is_elsewhere(value, activities):
            raise ConversionError(
                f"{path_of(node)} ({self.called}): its argument {value.name} is computed from the shape of something "
                "other than its input; expected constants and sizes of its input. Give an example batch, "
                "example=images, which settles such sizes, or write it as sizes of the input."
            )

        def part(used: fx.Node) -> Any:
            return self._sized(graph, used, node, activities)

        return _Sized(value.op, value.target, fx.map_arg((value.args, value.kwargs), part))  # pyright: ignore

    def forward(self, *activities: Tensor) -> Tensor:
        """Activities [N, *F] -> what the call makes of them."""

        def fill(value: Any) -> Any:
            if isinstance(value, _Slot):
                return activities[value.number]
            if isinstance(value, _Sized):
                return _run(value.op, value.target, *map_aggregate(value.arguments, fill))
            return getattr(self, value.name) if isinstance(value, _Held) else value

        return _run(self.op, self.target, *map_aggregate(self.arguments, fill))

    def extra_repr(self) -> str:
        return self.called


def _run(op: str, target: Any, args: Any, kwargs: Any) -> Any:
    if op == "call_method":
        owner, *rest = args
        return getattr(owner, target)(*rest, **kwargs)
    return target(*args, **kwargs)


def has_sizes_from_elsewhere(node: fx.Node, activities: Sequence[fx.Node]) -> bool:
    """Whether an argument of a call is computed from the shape of something that is not among its activities."""
    return any(_is_elsewhere(part, activities) for part in node.all_input_nodes if part not in activities)


def _is_elsewhere(value: fx.Node, activities: Sequence[fx.Node]) -> bool:
    if value in activities:
        return False
    if value.op == "placeholder":
        return True
    return any(_is_elsewhere(part, activities) for part in value.all_input_nodes)


_COMPUTED = object()


def _constant(graph: fx.GraphModule, node: fx.Node) -> Any:
    """The value of a node that no input takes part in; `_COMPUTED` if one does, be it by its shape."""
    if node.op == "get_attr":
        return operator.attrgetter(str(node.target))(graph)
    if node.op == "placeholder" or ignores_values(node):
        return _COMPUTED
    values: dict[fx.Node, Any] = {}
    for part in node.all_input_nodes:
        values[part] = _constant(graph, part)
        if values[part] is _COMPUTED:
            return _COMPUTED
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)  # pyright: ignore[reportArgumentType]
    if node.op == "call_module":
        return graph.get_submodule(str(node.target))(*args, **kwargs)
    return _run(node.op, node.target, args, kwargs)

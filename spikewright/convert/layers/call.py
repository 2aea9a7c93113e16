"""Call: one call of a traced network as a module of its activities alone, its constants held inside."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from ...core.errors import ConversionError
from ...core.inplace import reads_shape


@dataclass(frozen=True)
class _Slot:
    """Stands for the activity of that number."""

    number: int


@dataclass(frozen=True)
class _Held:
    """Stands for the tensor held under that name."""

    name: str


class Call(nn.Module):
    """A function, method or module with everything but its activities filled in; [N, ...] in and out.

    Args:
        graph: the traced network.
        node: the call.
        activities: the nodes among its arguments that depend on the image, in order, with repetitions.

    Raises:
        ConversionError: if an argument is computed from the input's shape.
    """

    def __init__(self, graph: fx.GraphModule, node: fx.Node, activities: Sequence[fx.Node]) -> None:
        super().__init__()
        self.called = str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
        self.method = node.op == "call_method"
        self.target: Any = graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        left = list(range(len(activities)))

        def stand_in(value: fx.Node) -> Any:
            for place, number in enumerate(left):
                if activities[number] is value:
                    return _Slot(left.pop(place))
            return self._hold(graph, value, node)

        self.arguments = fx.map_arg((node.args, node.kwargs), stand_in)  # pyright: ignore[reportArgumentType]

    def _hold(self, graph: fx.GraphModule, value: fx.Node, node: fx.Node) -> Any:
        constant = _constant(graph, value)
        if constant is _COMPUTED:
            raise ConversionError(
                f"{node.name} ({self.called}): its argument {value.name} is computed from the input's shape; expected "
                "constants beside the activities. Give the network fixed sizes there."
            )
        if not isinstance(constant, Tensor):
            return constant
        name = f"constant_{len(list(self.buffers(recurse=False)))}"
        self.register_buffer(name, constant.detach())
        return _Held(name)

    def forward(self, *activities: Tensor) -> Tensor:
        """Activities [N, *F] -> what the call makes of them."""

        def fill(value: Any) -> Any:
            if isinstance(value, _Slot):
                return activities[value.number]
            return getattr(self, value.name) if isinstance(value, _Held) else value

        args, kwargs = map_aggregate(self.arguments, fill)
        if self.method:
            owner, *rest = args
            return getattr(owner, self.target)(*rest, **kwargs)
        return self.target(*args, **kwargs)

    def extra_repr(self) -> str:
        return self.called


_COMPUTED = object()


def _constant(graph: fx.GraphModule, node: fx.Node) -> Any:
    """The value of a node that no input takes part in; `_COMPUTED` if one does, be it by its shape."""
    if node.op == "get_attr":
        return operator.attrgetter(str(node.target))(graph)
    if node.op == "placeholder" or reads_shape(node):
        return _COMPUTED
    values: dict[fx.Node, Any] = {}
    for part in node.all_input_nodes:
        values[part] = _constant(graph, part)
        if values[part] is _COMPUTED:
            return _COMPUTED
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)  # pyright: ignore[reportArgumentType]
    if node.op == "call_module":
        return graph.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        owner, *rest = args
        return getattr(owner, str(node.target))(*rest, **kwargs)
    return node.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]

"""TorchCall: a node of the network that stays an operation of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from ..core.temporal import Temporal
from ..core.trace import attribute_of, module_of
from .wire import Wire


@dataclass
class TorchCall:
    """One node, computed by torch on time folded into the batch.

    Args:
        node: the node.
        graph: the network that it belongs to.
        name: where it stands.
    """

    node: fx.Node
    graph: fx.GraphModule
    name: str

    def __post_init__(self) -> None:
        self.inputs: list[fx.Node] = self.node.all_input_nodes  # the nodes whose wires it reads
        self.layer = module_of(self.graph, self.node)  # the module that it calls, if any
        self._holds_time = _holds_time(self.layer)

    def run(self, wires: Mapping[fx.Node, Any]) -> Any:
        """Read the wires of the inputs and make that of the output; what is no tensor stays a plain value."""
        if self.node.op == "get_attr":
            return attribute_of(self.graph, self.node)
        given = [wires[node] for node in self.inputs]
        found = [wire for wire in given if isinstance(wire, Wire)]
        if not found:
            return self._call(given)
        timesteps = found[0].timesteps
        once = all(wire.constant for wire in found) and not self._holds_time
        steps = 1 if once else timesteps
        rows = [_folded(wire, steps) if isinstance(wire, Wire) else wire for wire in given]
        out = self._call(rows)
        if not isinstance(out, Tensor):
            # a size, which belongs to the rows of all steps
            return out if not once else self._call([_folded(wire, timesteps) for wire in given])
        return Wire(timesteps, tuple(out.shape[1:]), tensor=out.reshape(steps, -1, *out.shape[1:]))

    def _call(self, rows: list[Any]) -> Any:
        values = dict(zip(self.inputs, rows))
        args = map_arg(self.node.args, values.__getitem__)
        kwargs = map_arg(self.node.kwargs, values.__getitem__)
        if self.layer is not None:
            return self.layer(*args, **kwargs)
        if self.node.op == "call_method":
            return getattr(args[0], str(self.node.target))(*args[1:], **kwargs)
        return self.node.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]


def _holds_time(layer: nn.Module | None) -> bool:
    return layer is not None and any(isinstance(part, Temporal) for part in layer.modules())


def _folded(wire: Wire, steps: int) -> Tensor:
    xs = wire.dense()
    return xs.expand(steps, *xs.shape[1:]).reshape(-1, *xs.shape[2:])

"""ShapeReader: runs a network once and notes the shape of what every node makes."""

from __future__ import annotations

from torch import Tensor, fx


class ShapeReader(fx.Interpreter):
    """Name of every node that makes a tensor -> one sample's shape there, in `shapes` after a run."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.shapes: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> object:
        """Run a node and note its shape."""
        out = super().run_node(n)
        if isinstance(out, Tensor) and n.op != "get_attr":
            self.shapes[n.name] = tuple(out.shape[1:])
        return out

"""settle_sizes(graph, example): sizes of other activities among a function's arguments become plain numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from ..core.example import ROWS
from ..core.temporal import told
from .layers.call import has_sizes_from_elsewhere
from .linear import is_linear
from .operations import Site, is_max_pool


def settle_sizes(graph: fx.GraphModule, example: Callable[[], Tensor | None]) -> None:
    """Replace, in place, sizes that a layer in a function's place cannot read from what it gets.

    `B, L, D = x.shape`, and later `F.layer_norm(y, (D,))`: the layer gets y alone. Sizes that change with the batch
    stay as they are, and where there is no example all do.

    Args:
        graph: the traced network in `eval()`.
        example: gives images [N, ...], of which the first is used; asked only if there is something to settle.
    """
    wanted = [node for node in graph.graph.nodes if node.op.startswith("call_") and _is_wanted(Site(graph, node))]
    batch = example() if wanted else None
    if batch is None:
        return
    device = next((tensor.device for tensor in graph.parameters()), batch.device)
    few, more = (_values(graph, batch[:1].to(device).repeat(rows, *[1] * (batch.dim() - 1))) for rows in ROWS)
    for node in wanted:
        activities = Site(graph, node).activities()
        for part in node.all_input_nodes:
            if part not in activities and _is_size(few.get(part)) and few[part] == more[part]:
                number = tuple(few[part]) if isinstance(few[part], torch.Size) else few[part]
                node.args = fx.map_arg(node.args, lambda used, part=part, number=number: _swap(used, part, number))
                node.kwargs = fx.map_arg(node.kwargs, lambda used, part=part, number=number: _swap(used, part, number))  # pyright: ignore
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _is_wanted(site: Site) -> bool:
    if not site.depends_on_input or is_linear(site):
        return False
    activities = site.activities()
    if is_max_pool(site):  # whose geometry is read when it is replaced
        return len(site.node.all_input_nodes) > len(activities)
    return has_sizes_from_elsewhere(site.node, activities)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float | torch.Size) or (
        isinstance(value, tuple | list) and all(isinstance(part, int | float) for part in value)
    )


def _swap(used: fx.Node, part: fx.Node, number: Any) -> Any:
    return number if used is part else used


class _Recording(fx.Interpreter):
    """Keeps the numbers of a run."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.sizes: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if _is_size(value):
            self.sizes[n] = value
        return value


def _values(graph: fx.GraphModule, batch: Tensor) -> dict[fx.Node, Any]:
    run = _Recording(graph)
    with torch.no_grad(), told(graph, 1):
        run.run(batch)
    return run.sizes

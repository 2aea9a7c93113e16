"""Wires and ends of a network made into sites of their own, and max pools moved in front of their ReLU."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx, nn

from ..core.trace import free_path, module_of
from .linear import NORMS, is_linear, is_sum, is_weighted
from .operations import Site, called, calls, is_clipped_relu, is_max_pool, is_qcfs, is_relu, sites


class Wire(nn.Identity):
    """What travels into a layer with weights, or into a product of two activities."""


class NetworkInput(nn.Identity):
    """What travels into a network."""


class NetworkOutput(nn.Identity):
    """What a network gives."""


is_wire = calls(modules=(Wire,))
is_network_input = calls(modules=(NetworkInput,))
is_network_output = calls(modules=(NetworkOutput,))


def mark_ends(graph: fx.GraphModule) -> None:
    """A `NetworkInput` behind the input and a `NetworkOutput` before the output, in place."""
    first = next(node for node in graph.graph.nodes if node.op == "placeholder")
    last = next(node for node in graph.graph.nodes if node.op == "output")
    _behind(graph, first, NetworkInput(), "network_input")
    _before(graph, last, last.all_input_nodes[0], NetworkOutput(), "network_output")


def mark_wires(graph: fx.GraphModule, wanted: Callable[[Site], bool]) -> None:
    """A `Wire` in front of every activity that enters a wanted site and is not spikes already, in place."""
    for site in sites(graph):
        node = site.node
        if not site.depends_on_input or not wanted(site):
            continue
        for activity in dict.fromkeys(site.activities()):
            if not carries_spikes(graph, activity):
                marked = next((user for user in activity.users if isinstance(module_of(graph, user), Wire)), None)
                if marked is None:
                    marked = _before(graph, node, activity, Wire(), f"{site.name}_wire")
                else:
                    node.replace_input_with(activity, marked)
    graph.recompile()


def carries_spikes(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether what a node gives will be spikes, or spikes rearranged, pooled or added up."""
    if node.op == "placeholder":
        return False
    site = Site(graph, node)
    if is_relu(site) or is_qcfs(site) or is_clipped_relu(site) or is_wire(site):
        return True
    activities = site.activities()
    if not activities or not is_linear(site) or is_weighted(site) or isinstance(site.module, NORMS):
        return False
    if is_sum(site) and len(activities) == 1:  # a constant is added
        return False
    return all(carries_spikes(graph, part) for part in activities)


def channel_axis(site: Site) -> int | None:
    """The axis of an activity's channels: 1 with convolutions and batch norm, -1 with linear layers and layer norm.

    That of the layer behind a wire, and of the one before anything else; None where products, or nothing, decide.
    """
    node = next(iter(site.node.users)) if is_wire(site) else site.node.all_input_nodes[0]
    while node.op.startswith("call_"):
        here = Site(site.graph, node)
        if _has_channels_last(here):
            return -1
        if is_weighted(here) or isinstance(here.module, NORMS):
            return 1
        if is_wire(site) or not is_linear(here):
            return None if len(here.activities()) > 1 else 1
        node = here.activities()[0]
    return 1


_has_channels_last = called("linear", "layer_norm", "rms_norm", modules=(nn.Linear, nn.LayerNorm, nn.RMSNorm))


def swap_max_pools(graph: fx.GraphModule) -> None:
    """relu -> max pool becomes max pool -> relu, which is the same, wherever nothing else uses the ReLU; in place."""
    for node in list(graph.graph.nodes):
        before = node.all_input_nodes[0] if node.all_input_nodes else None
        if before is None or not node.op.startswith("call_") or not before.op.startswith("call_"):
            continue
        if is_max_pool(Site(graph, node)) and is_relu(Site(graph, before)) and len(before.users) == 1:
            source = before.all_input_nodes[0]
            node.replace_all_uses_with(before)
            node.replace_input_with(before, source)
            before.replace_input_with(source, node)
            node.append(before)
    graph.graph.lint()
    graph.recompile()


def _behind(graph: fx.GraphModule, node: fx.Node, module: nn.Module, name: str) -> fx.Node:
    path = free_path(graph, name)
    graph.add_submodule(path, module)
    with graph.graph.inserting_after(node):
        new = graph.graph.call_module(path, (node,))
    node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
    return new


def _before(graph: fx.GraphModule, node: fx.Node, source: fx.Node, module: nn.Module, name: str) -> fx.Node:
    path = free_path(graph, name)
    graph.add_submodule(path, module)
    with graph.graph.inserting_before(node):
        new = graph.graph.call_module(path, (source,))
    node.replace_input_with(source, new)
    return new

"""plain_nodes(graph): fused attention, quotients and the like become products, sums and functions of one activity."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import GraphAppendingTracer
from torch.nn import functional as F  # noqa: N812

from ..core.errors import ConversionError
from ..core.trace import attribute_of, free_path
from .attention_mask import additive_mask, causal_mask, lowest
from .first_axis import argument
from .operations import Site, called, calls, depends_on_input


def plain_nodes(graph: fx.GraphModule) -> None:
    """Rewrite a traced network, in place, so that its operations are those that conversion knows.

    The function stays the same:

    * fused attention becomes products, a scale, masks, softmax and dropout;
    * `baddbmm` and `addcmul` become a product and a sum;
    * a quotient of two activities becomes a product with a reciprocal;
    * an axis that is moved in front of the batch and taken apart there (`qkv.permute(2, 0, ...).unbind(0)`) is
      taken apart where it was;
    * the values of `max` and `min` along an axis become `amax` and `amin`, `var_mean` and `std_mean` two functions,
      and `max` and `min` of two activities `maximum` and `minimum`;
    * minus infinity in a mask becomes a number so low that its exponential is 0;
    * a function that `fx.wrap` keeps whole, and that a tracer can walk through, becomes its operations.

    Raises:
        ConversionError: for `F.multi_head_attention_forward`, or a size of attention that it cannot express.
    """
    for node in list(graph.graph.nodes):
        if _is_kept_whole(node):
            _enter(graph.graph, node)
    for node in list(graph.graph.nodes):
        site = Site(graph, node)
        step = next((rewritten for matches, rewritten in _STEPS if matches(site)), None)
        if step is not None:
            step(site)
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()


def _is_kept_whole(node: fx.Node) -> bool:
    """Whether a node calls a function of Python that is not torch's and not one of the masks."""
    if not isinstance(node.target, FunctionType) or node.target in (additive_mask, causal_mask):
        return False
    return node.target.__module__.split(".")[0] != "torch" and depends_on_input(node)


def _enter(graph: fx.Graph, node: fx.Node) -> None:
    """Put the operations of a function in the place of its call; where it decides on values, it stays as it is."""
    tracer, before = GraphAppendingTracer(graph), set(graph.nodes)
    try:
        with graph.inserting_before(node):
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda used: fx.Proxy(used, tracer))  # pyright: ignore
            result = node.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]
    except Exception:  # whatever a function raises when it meets a symbolic value
        result = None
    new = [made for made in graph.nodes if made not in before]
    if isinstance(result, fx.Proxy):
        for made in new:
            made.meta = {key: value for key, value in node.meta.items() if key != "is_wrapped"}
        node.replace_all_uses_with(result.node)
        graph.erase_node(node)
    else:
        for made in reversed(new):
            graph.erase_node(made)


class _Writer:
    """Writes the nodes that take the place of one, in front of it."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def call(self, function: Callable, *args: Any, **kwargs: Any) -> fx.Node:
        return self._create("call_function", function, args, kwargs)

    def method(self, name: str, *args: Any) -> fx.Node:
        return self._create("call_method", name, args, {})

    def module(self, module: nn.Module, x: fx.Node) -> fx.Node:
        path = free_path(self.site.graph, self.site.node.name)
        self.site.graph.add_submodule(path, module.train(self.site.graph.training))
        return self._create("call_module", path, (x,), {})

    def _create(self, *parts: Any) -> fx.Node:
        with self.site.graph.graph.inserting_before(self.site.node):
            node = self.site.graph.graph.create_node(*parts)
        node.meta = dict(self.site.node.meta)
        return node

    def replace(self, new: fx.Node) -> None:
        self.site.node.replace_all_uses_with(new)
        self.site.graph.graph.erase_node(self.site.node)


def _fused_attention(site: Site) -> None:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    given = {**dict(zip(names, site.node.args)), **site.node.kwargs}
    write = _Writer(site)
    query, key, value = given["query"], given["key"], given["value"]
    if given.get("enable_gqa", False):
        times = write.call(operator.floordiv, write.method("size", query, -3), write.method("size", key, -3))
        key, value = (write.method("repeat_interleave", shared, times, -3) for shared in (key, value))
    scale = given.get("scale")
    if scale is None:
        scale = write.call(operator.pow, write.method("size", query, -1), -0.5)
    scores = write.call(torch.matmul, write.call(operator.mul, query, scale), write.method("transpose", key, -2, -1))
    dtype = write.call(getattr, query, "dtype")
    if given.get("is_causal", False):
        sizes = (write.method("size", tokens, -2) for tokens in (query, key))
        mask = write.call(causal_mask, *sizes, dtype, write.call(getattr, query, "device"))
        scores = write.call(operator.add, scores, mask)
    if given.get("attn_mask") is not None:
        mask = write.call(additive_mask, given["attn_mask"], masked=False, dtype=dtype)
        scores = write.call(operator.add, scores, mask)
    shares = write.call(F.softmax, scores, -1)
    dropout = given.get("dropout_p", 0.0)
    if not isinstance(dropout, int | float):
        raise ConversionError(
            f"{site.name} ({site.kind}): computes dropout_p; expected a number. Give it self.p if self.training else 0."
        )
    if dropout:
        shares = write.module(nn.Dropout(dropout), shares)
    write.replace(write.call(torch.matmul, shares, value))


def _added_product(site: Site) -> None:
    write, (added, left, right) = _Writer(site), _three(site.node, "batch1", "batch2")
    product = write.call(torch.bmm, left, right)
    alpha, beta = site.node.kwargs.get("alpha", 1), site.node.kwargs.get("beta", 1)
    product = product if alpha == 1 else write.call(operator.mul, product, alpha)
    if beta != 0:
        added = added if beta == 1 else write.call(operator.mul, added, beta)
        product = write.call(operator.add, added, product)
    write.replace(product)


def _added_elements(site: Site) -> None:
    write, node = _Writer(site), site.node
    added, one, other = _three(node, "tensor1", "tensor2")
    value = node.kwargs.get("value", 1)
    product = write.call(operator.mul, one if value == 1 else write.call(operator.mul, one, value), other)
    write.replace(write.call(operator.add, added, product))


def _three(node: fx.Node, second: str, third: str) -> tuple[Any, Any, Any]:
    return argument(node, 0, "input", "self"), argument(node, 1, second), argument(node, 2, third)


_divides = called("div", "divide", "true_divide", "truediv")


def _is_quotient(site: Site) -> bool:
    both = (argument(site.node, 0, "input", "self"), argument(site.node, 1, "other"))
    dependent = all(isinstance(part, fx.Node) and depends_on_input(part) for part in both)
    return _divides(site) and dependent and site.node.kwargs.get("rounding_mode") is None


def _quotient(site: Site) -> None:
    write = _Writer(site)
    dividend, divisor = argument(site.node, 0, "input", "self"), argument(site.node, 1, "other")
    write.replace(write.call(operator.mul, dividend, write.call(torch.reciprocal, divisor)))


_extremes = called("max", "min")
_with_mean = called("var_mean", "std_mean")


def _is_larger(site: Site) -> bool:
    return _extremes(site) and len(site.activities()) == 2


def _larger(site: Site) -> None:
    two = torch.maximum if site.kind == "max" else torch.minimum
    write = _Writer(site)
    write.replace(write.call(two, argument(site.node, 0, "input", "self"), argument(site.node, 1, "other")))


def _is_values_along(site: Site) -> bool:
    """The largest along an axis, of which the places are not used."""
    axis = argument(site.node, 1, "dim", "axis")
    taken = [argument(user, 1) for user in site.node.users]
    picks = all(user.target in (operator.getitem, getattr) for user in site.node.users)
    return _extremes(site) and isinstance(axis, int) and picks and set(taken) <= {0, "values"}


def _values_along(site: Site) -> None:
    along = torch.amax if site.kind == "max" else torch.amin
    axis, keep = argument(site.node, 1, "dim", "axis"), argument(site.node, 2, "keepdim", default=False)
    value = _Writer(site).call(along, argument(site.node, 0, "input", "self"), axis, keep)
    for user in list(site.node.users):
        user.replace_all_uses_with(value)


def _is_with_mean(site: Site) -> bool:
    picks = (user.target is operator.getitem and user.args[1] in (0, 1) for user in site.node.users)
    return _with_mean(site) and argument(site.node, 1, "dim", "axis") is not None and all(picks)


def _with_mean_apart(site: Site) -> None:
    write, node = _Writer(site), site.node
    spread = torch.var if site.kind == "var_mean" else torch.std
    axes, keep = argument(node, 1, "dim", "axis"), argument(node, 3, "keepdim", default=False)
    both = (write.call(spread, *node.args, **node.kwargs), write.call(torch.mean, node.args[0], axes, keep))
    for user in list(node.users):
        user.replace_all_uses_with(both[bool(user.args[1])])


_permutes = called("permute")
_unbinds = called("unbind")


def _is_moved_in_front(site: Site) -> bool:
    """A permutation to the front of an axis that is not the batch, of which every reader takes single entries."""
    if not _permutes(site) or not site.depends_on_input:
        return False
    axes = _axes(site.node)
    if not all(isinstance(axis, int) for axis in axes):
        return False
    front, *rest = (axis % len(axes) for axis in axes)
    return front != 0 and rest[:1] == [0] and _entries(site) is not None


def _axes(node: fx.Node) -> tuple[Any, ...]:
    first = argument(node, 1, "dims")
    return tuple(first) if isinstance(first, tuple | list) else node.args[1:]


def _entries(site: Site) -> list[fx.Node] | None:
    """The nodes that take one entry along the first axis; None if something else is done with it."""
    found: list[fx.Node] = []
    for user in site.node.users:
        unbound = _unbinds(Site(site.graph, user)) and argument(user, 1, "dim", default=0) == 0
        found.extend(user.users if unbound else [user])
    taken = all(node.target is operator.getitem and isinstance(node.args[1], int) for node in found)
    return found if taken and found else None


def _taken_apart_in_place(site: Site) -> None:
    write, (front, *rest) = _Writer(site), (axis % len(_axes(site.node)) for axis in _axes(site.node))
    order = [axis - (axis > front) for axis in rest]
    for entry in _entries(site) or []:
        part = write.method("select", site.node.args[0], front, entry.args[1])
        entry.replace_all_uses_with(write.method("permute", part, order))


def _is_infinite(site: Site) -> bool:
    return _fills(site) and any(_too_low(value) for value in (*site.node.args, *site.node.kwargs.values()))


_fills = called("masked_fill", "where")


def _too_low(value: Any) -> bool:
    return isinstance(value, float) and value < lowest(torch.float32)


def _filled_with_lowest(site: Site) -> None:
    def raised(value: Any) -> Any:
        return lowest(torch.float32) if _too_low(value) else value

    site.node.args = tuple(raised(value) for value in site.node.args)
    site.node.kwargs = {name: raised(value) for name, value in site.node.kwargs.items()}


def _is_infinite_constant(site: Site) -> bool:
    if site.node.op != "get_attr":
        return False
    constant = attribute_of(site.graph, site.node)
    return isinstance(constant, Tensor) and constant.is_floating_point() and bool(constant.isneginf().any())


def _raised_constant(site: Site) -> None:
    constant = attribute_of(site.graph, site.node)
    with site.graph.graph.inserting_after(site.node):
        new = site.graph.graph.call_function(torch.clamp, (site.node,), {"min": lowest(constant.dtype)})
    new.meta = dict(site.node.meta)
    site.node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)


def _refuse_fused_layer(site: Site) -> None:
    raise ConversionError(
        f"{site.name} ({site.kind}): is a whole attention layer in one call, tokens before images; expected "
        "nn.MultiheadAttention(batch_first=True), which expanded(network) takes apart, or "
        "F.scaled_dot_product_attention. Use one of them in the network."
    )


_STEPS: tuple[tuple[Callable[[Site], bool], Callable[[Site], None]], ...] = (
    (calls(functions=(F.scaled_dot_product_attention,)), _fused_attention),
    (calls(functions=(F.multi_head_attention_forward,)), _refuse_fused_layer),
    (called("baddbmm"), _added_product),
    (called("addcmul"), _added_elements),
    (_is_quotient, _quotient),
    (_is_larger, _larger),
    (_is_values_along, _values_along),
    (_is_with_mean, _with_mean_apart),
    (_is_moved_in_front, _taken_apart_in_place),
    (_is_infinite, _filled_with_lowest),
    (_is_infinite_constant, _raised_constant),
)

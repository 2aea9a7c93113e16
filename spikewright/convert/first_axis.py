"""keeps_first_axis(site): whether an operation leaves alone the axis that holds time and batch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from torch import fx

from .operations import Site, called, calls


def argument(node: fx.Node, place: int, *names: str, default: Any = None) -> Any:
    """The argument of a node at a place or under one of these names."""
    if len(node.args) > place:
        return node.args[place]
    return next((node.kwargs[name] for name in names if name in node.kwargs), default)


def is_other(axes: Any) -> bool:
    """Whether axes are given and none is the first; of a negative one it is taken for granted that it is another."""
    axes = axes if isinstance(axes, tuple | list) else (axes,)
    return bool(axes) and all(isinstance(axis, int) and not isinstance(axis, bool) and axis != 0 for axis in axes)


def _all_from(node: fx.Node, place: int, *names: str) -> Any:
    """Axes or sizes, as one tuple or as arguments of their own."""
    first = argument(node, place, *names)
    return first if isinstance(first, tuple | list) or first is None else node.args[place:]


def _permuted(node: fx.Node) -> bool:
    axes = _all_from(node, 1, "dims")
    return isinstance(axes[0], int) and axes[0] % len(axes) == 0


def _sized(node: fx.Node) -> bool:
    """The new first size is a size of some tensor or the rest, so that it grows with time and batch."""
    sizes = _all_from(node, 1, "size", "shape")
    return not sizes or isinstance(sizes[0], fx.Node) or sizes[0] == -1 or not isinstance(sizes[0], int)


def _repeated(node: fx.Node) -> bool:
    times = _all_from(node, 1, "repeats", "dims")
    return bool(times) and times[0] == 1


def _squeezed(node: fx.Node) -> bool:
    return argument(node, 1, "dim") != 0


def _item(node: fx.Node) -> bool:
    source, index = node.args
    first = index[0] if isinstance(index, tuple | list) else index
    if first in (slice(None), Ellipsis):
        return True
    return isinstance(source, fx.Node) and _is_cut(source)


def _is_cut(node: fx.Node) -> bool:
    names = {node.target, getattr(node.target, "__name__", "")}
    return node.op in ("call_function", "call_method") and not names.isdisjoint(_CUTS)


_CUTS = ("chunk", "split", "tensor_split", "unbind")

_RULES: tuple[tuple[Callable[[Site], bool], Callable[[fx.Node], bool]], ...] = (
    (called("mean", "sum"), lambda node: is_other(argument(node, 1, "dim", "axis"))),
    (
        called("cat", "concat", "concatenate", "stack"),
        lambda node: is_other(argument(node, 1, "dim", "axis", default=0)),
    ),
    (called("chunk", "split", "tensor_split"), lambda node: is_other(argument(node, 2, "dim", default=0))),
    (called("unbind"), lambda node: is_other(argument(node, 1, "dim", default=0))),
    (called("narrow", "select", "index_select", "cumsum"), lambda node: is_other(argument(node, 1, "dim"))),
    (calls(methods=("unfold",)), lambda node: is_other(argument(node, 1, "dimension"))),
    (called("squeeze", "unsqueeze"), _squeezed),
    (
        called("transpose", "swapaxes", "swapdims"),
        lambda node: is_other((argument(node, 1, "dim0", "axis0"), argument(node, 2, "dim1", "axis1"))),
    ),
    (
        called("movedim", "moveaxis"),
        lambda node: is_other(argument(node, 1, "source")) and is_other(argument(node, 2, "destination")),
    ),
    (called("permute"), _permuted),
    (called("roll"), lambda node: is_other(argument(node, 2, "dims"))),
    (called("flip"), lambda node: is_other(_all_from(node, 1, "dims"))),
    (called("repeat_interleave"), lambda node: is_other(argument(node, 2, "dim"))),
    (called("repeat", "tile"), _repeated),
    (called("expand", "view", "reshape"), _sized),
    (calls(functions=(operator.getitem,)), _item),
    (calls(functions=(getattr,)), lambda node: node.args[1] in ("data", "mT")),
)


def keeps_first_axis(site: Site) -> bool:
    """Whether the first axis stays as it is: neither moved, cut nor mixed with another.

    A reshape may put axes behind it into it and take them out again, as the windows of a picture: time stays outermost.
    """
    rule = next((rule for matches, rule in _RULES if matches(site)), None)
    return rule is None or rule(site.node)

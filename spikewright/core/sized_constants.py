"""sized_constants(): zeros, ones and the like of a size that is symbolic become part of a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_aggregate

_NAMES = ("zeros", "ones", "full", "empty", "eye", "arange", "linspace")


@contextmanager
def sized_constants() -> Iterator[None]:
    """Within the block torch's functions that make constants accept sizes that are symbolic, `torch.ones(x.size(1))`.

    torch tells a tracer of the functions that take tensors only. Where all sizes are numbers nothing changes.

    Example:
        >>> with sized_constants():
        ...     graph = fx.Tracer().trace(lambda x: x + torch.ones(x.shape[0], 3))
        >>> [node.name for node in graph.nodes]
        ['x', 'getattr_1', 'getitem', 'ones', 'add', 'output']
    """
    kept = {name: getattr(torch, name) for name in _NAMES}
    try:
        for name, function in kept.items():
            setattr(torch, name, _recorded(function))
        yield
    finally:
        for name, function in kept.items():
            setattr(torch, name, function)


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found: list[fx.Proxy] = []
        map_aggregate((args, kwargs), lambda part: found.append(part) if isinstance(part, fx.Proxy) else None)
        if not found:
            return function(*args, **kwargs)
        return found[0].tracer.create_proxy("call_function", function, args, kwargs)

    return call

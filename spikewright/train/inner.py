"""What `fit` wraps around a network for devices and processes: the network within it, and gradients of a loss's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

WRAPPERS = "lightning_fabric.wrappers"
"""Imported by whoever wraps a network: it takes longer than all of this package, which is used without, too."""


def inner(model: nn.Module) -> nn.Module:
    """The network itself: a pass through it alone leaves the bookkeeping of other processes alone.

    Example:
        >>> inner(nn.Identity())
        Identity()
    """
    wrappers: Any = sys.modules.get(WRAPPERS)
    return model.module if wrappers is not None and wrappers.is_wrapped(model) else model  # pyright: ignore[reportReturnType]


@contextmanager
def own_gradients() -> Iterator[None]:
    """Let a loss take gradients of what the wrapped network gives, as `gradient_sparsity` does, in any precision.

    The wrapper refuses every backward pass but fabric's in mixed precision, so that none is forgotten; `fit` does not.
    """
    wrappers: Any = sys.modules.get(WRAPPERS)
    if wrappers is None:
        yield
        return
    before = wrappers._in_fabric_backward
    wrappers._in_fabric_backward = True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = before

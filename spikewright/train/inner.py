"""What `fit` wraps around a network for devices and processes: the network within it, and gradients of a loss's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_fabric import wrappers
from lightning_fabric.wrappers import is_wrapped
from torch import nn


def inner(model: nn.Module) -> nn.Module:
    """The network itself: a pass through it alone leaves the bookkeeping of other processes alone.

    Example:
        >>> inner(nn.Identity())
        Identity()
    """
    return model.module if is_wrapped(model) else model  # pyright: ignore[reportReturnType]


@contextmanager
def own_gradients() -> Iterator[None]:
    """Let a loss take gradients of what the wrapped network gives, as `gradient_sparsity` does, in any precision.

    The wrapper refuses every backward pass but fabric's in mixed precision, so that none is forgotten; `fit` does not.
    """
    before = wrappers._in_fabric_backward
    wrappers._in_fabric_backward = True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = before

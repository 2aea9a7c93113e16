"""inner(model): the network within what `fit` wraps around it for devices and processes."""

from __future__ import annotations

from lightning_fabric.wrappers import is_wrapped
from torch import nn


def inner(model: nn.Module) -> nn.Module:
    """The network itself: a pass through it alone leaves the bookkeeping of other processes alone.

    Example:
        >>> inner(nn.Identity())
        Identity()
    """
    return model.module if is_wrapped(model) else model  # pyright: ignore[reportReturnType]

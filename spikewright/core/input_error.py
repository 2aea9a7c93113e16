"""readable_input(who, x): a network that cannot take a batch says what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from .errors import ShapeError, SpikewrightError
from .processes import is_about_processes

_FITTING = "Give it the channels, size and dtype that it was made for"

_asked: ContextVar[bool] = ContextVar("asked", default=False)


@contextmanager
def readable_input(who: str, x: Tensor, todo: str = _FITTING) -> Iterator[None]:
    """Within the block, a torch error about a wrong shape or dtype becomes a ShapeError that names those of x.

    Of blocks inside each other the outermost speaks, as it knows what the user has called.

    Args:
        who: what runs the network.
        x: the batch that it is given.
        todo: what to do about it.

    Raises:
        ShapeError: if the block raises RuntimeError, ValueError or IndexError; errors about memory and about other
            processes pass unchanged.

    Example:
        >>> with readable_input("accuracy", torch.zeros(2, 3)):
        ...     torch.nn.Linear(4, 1)(torch.zeros(2, 3))
        Traceback (most recent call last):
        spikewright.core.errors.ShapeError: accuracy: the network cannot take a batch of shape [2, 3] in ...
    """
    if _asked.get():
        yield
        return
    mark = _asked.set(True)
    try:
        yield
    except (SpikewrightError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        if is_about_processes(error):
            raise
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise ShapeError(
            f"{who}: the network cannot take a batch of shape {list(x.shape)} in {x.dtype} ({reason}). {todo}."
        ) from error
    finally:
        _asked.reset(mark)

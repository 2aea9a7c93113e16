"""Several processes that share one job: sums and extremes over all of them, and an error that says when one is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
from torch import Tensor, distributed

from .errors import ArgumentError, ProcessError

_LOST = ("connection closed", "connection reset", "timed out", "connection refused", "broken pipe", "gloo", "nccl")
"""What torch's messages about a process that does not answer hold, in small letters."""
_IDLE = "Expected to have finished reduction in the prior iteration"


class Processes(Protocol):
    """The processes of a job as one of them sees them; a `lightning_fabric.Fabric` that was launched is one."""

    @property
    def world_size(self) -> int:
        """How many there are."""
        ...

    @property
    def global_rank(self) -> int:
        """The number of this one, from 0 on."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this one computes."""
        ...


def together(values: Tensor, processes: Processes | None, operation: Literal["sum", "max", "min"] = "sum") -> Tensor:
    """The values of all processes, added up or compared place by place; the same in each of them afterwards.

    Args:
        values: any shape, the same in every process; stays as it is.
        processes: who takes part; None for this one alone.
        operation: how two values become one.

    Example:
        >>> together(torch.tensor([1, 2]), None)
        tensor([1, 2])
    """
    if processes is None or processes.world_size == 1:
        return values
    found = values.to(processes.device, copy=True).contiguous()
    distributed.all_reduce(found, getattr(distributed.ReduceOp, operation.upper()))
    return found.to(values.device)


def of_each(values: Tensor, processes: Processes | None) -> Tensor:
    """The values of every process side by side, [processes, *values.shape], in the order of their numbers.

    Example:
        >>> of_each(torch.tensor([1, 2]), None)
        tensor([[1, 2]])
    """
    if processes is None or processes.world_size == 1:
        return values.unsqueeze(0)
    own = values.to(processes.device).contiguous()
    found = [torch.empty_like(own) for _ in range(processes.world_size)]
    distributed.all_gather(found, own)
    return torch.stack(found).to(values.device)


@contextmanager
def answering(who: str, processes: Processes | None) -> Iterator[None]:
    """Within the block, torch's error about a process that ended or does not answer becomes one sentence.

    Args:
        who: what is done in the block.
        processes: who takes part.

    Raises:
        ProcessError: if another process is lost.
        ArgumentError: if parameters take no part in the loss, which leaves the others waiting for their gradients.
    """
    try:
        yield
    except RuntimeError as error:
        if processes is None or not is_about_processes(error):
            raise
        if _IDLE in str(error):
            raise ArgumentError(
                f"{who}: got parameters on which the loss does not depend; expected a gradient for every parameter, "
                "which the processes average. Freeze the others: parameter.requires_grad_(False)."
            ) from error
        raise ProcessError(
            f"{who}: another of the {processes.world_size} processes has ended or does not answer; expected all of "
            f"them until the end ({str(error).strip().splitlines()[0]}). Look for its own error above, then go on from "
            "the last checkpoint."
        ) from error


def is_about_processes(error: Exception) -> bool:
    """Whether torch's error is about other processes, not about what this one computes."""
    if not distributed.is_available() or not distributed.is_initialized() or not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return isinstance(error, distributed.DistError) or _IDLE in text or any(word in text.lower() for word in _LOST)

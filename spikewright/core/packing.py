"""packed_spikes(): for the backward pass spikes are kept as bits, and what a batch norm gives to neurons not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

recomputes: ContextVar[bool] = ContextVar("recomputes", default=False)
"""Whether the input of neurons behind a batch norm is computed again in the backward pass."""

SMALLEST = 4096
"""Values of the smallest tensor that is looked at."""

_GLANCE = 64
_BIT_VALUES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class _Bits:
    """A tensor of 0 and one other value.

    Args:
        bits: one bit per value in memory order, uint8 [values / 8].
        value: the other value, one element.
        size, stride: of the tensor.
    """

    bits: Tensor
    value: Tensor
    size: torch.Size
    stride: tuple[int, ...]


@contextmanager
def packed_spikes() -> Iterator[None]:
    """Within the block autograd keeps less: spikes as bits, and of what neurons get nothing that can be made again.

    Layers keep their input for the backward pass; behind neurons it is spikes, 0 or one amplitude. Every tensor that
    turns out to hold nothing else is kept as bits and made again when its gradient is computed; others are kept as they
    are. Neurons that run `fused` behind a batch norm keep no input: it is computed again from what the norm keeps.
    Results are the same bits. On a GPU a tensor is looked at on the device, which waits for it once per layer.

    Example:
        >>> weight = torch.ones(8192, requires_grad=True)
        >>> spikes = (torch.arange(8192) % 3 == 0).float()
        >>> with packed_spikes():
        ...     out = (weight * spikes).sum()
        >>> out.backward()
        >>> torch.equal(weight.grad, spikes)
        True
    """
    before = recomputes.set(True)
    try:
        with torch.autograd.graph.saved_tensors_hooks(_pack, _unpack):
            yield
    finally:
        recomputes.reset(before)


def _pack(x: Tensor) -> Tensor | _Bits:
    found = _as_bits(x)
    return x if found is None else found


def _as_bits(x: Tensor) -> _Bits | None:
    """The tensor as bits; None if it is small, overlaps itself, or holds other values."""
    if x.numel() < SMALLEST or not x.is_floating_point() or isinstance(x, torch.nn.Parameter) or not _is_dense(x):
        return None
    flat = x.detach().as_strided((x.numel(),), (1,), x.storage_offset())
    if x.device.type == "cpu" and not _could_be_spikes(flat[:_GLANCE]):
        return None
    value = flat.amax() if x.device.type != "cpu" else _other(flat)
    fired = flat == value
    if bool((value == 0) | ~(fired | (flat == 0)).all()):
        return None
    return _Bits(_packed(fired), value.reshape(1), x.shape, x.stride())


def _could_be_spikes(first: Tensor) -> bool:
    values = first[first != 0]
    return bool((values == values[:1]).all())


def _other(flat: Tensor) -> Tensor:
    """The value of largest size: of spikes that are all negative it is the least one."""
    least, most = flat.aminmax()
    return most if bool(most != 0) else least


def _is_dense(x: Tensor) -> bool:
    """Whether the tensor's values lie in memory without gaps or overlap, in any order of its axes."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape) if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _packed(fired: Tensor) -> Tensor:
    if fired.device.type == "cpu":
        return torch.from_numpy(np.packbits(fired.numpy(), bitorder="little"))
    padded = torch.nn.functional.pad(fired, (0, -fired.numel() % 8)).view(-1, 8)
    return (padded * torch.tensor(_BIT_VALUES, dtype=torch.uint8, device=fired.device)).sum(1, dtype=torch.uint8)


def _unpack(kept: Any) -> Tensor:
    if not isinstance(kept, _Bits):
        return kept
    values = kept.size.numel()
    if kept.bits.device.type == "cpu":
        fired = torch.from_numpy(np.unpackbits(kept.bits.numpy(), count=values, bitorder="little"))
    else:
        weights = torch.tensor(_BIT_VALUES, dtype=torch.uint8, device=kept.bits.device)
        fired = (kept.bits.unsqueeze(1) & weights).ne(0).view(-1)[:values]
    out = torch.empty_strided(kept.size, kept.stride, dtype=kept.value.dtype, device=kept.value.device)
    flat = out.as_strided((values,), (1,))
    torch.mul(fired, kept.value, out=flat)
    return out

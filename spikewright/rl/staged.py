"""Staged: tensors on a device that keep their place, filled from the host with one copy that nobody waits for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_ALIGNED = 256
_HOSTS = 2
"""Copies on the host: one is filled while the other may still be on its way."""

Shapes = Sequence[tuple[torch.dtype, tuple[int, ...]]]


class Staged:
    """Tensors of fixed shapes on a device; what is recorded reads them, and finds there what `fill` has put last.

    Args:
        shapes: dtype and shape of each.
        device: where they are.

    Example:
        >>> staged = Staged([(torch.int64, (2,)), (torch.float32, (1, 2))], torch.device("cpu"))
        >>> staged.fill({1: torch.ones(1, 2)})
        >>> staged.tensors
        [tensor([0, 0]), tensor([[1., 1.]])]
    """

    def __init__(self, shapes: Shapes, device: torch.device) -> None:
        sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in shapes]
        self._starts = [0]
        for size in sizes:
            self._starts.append(-(-(self._starts[-1] + size) // _ALIGNED) * _ALIGNED)
        self._shapes, pinned = shapes, device.type == "cuda"
        total = max(self._starts[-1], 1)
        self._bytes = torch.zeros(total, dtype=torch.uint8, device=device)
        self.tensors = self._views(self._bytes)
        """The tensors on the device."""
        hosts = [torch.zeros(total, dtype=torch.uint8, pin_memory=pinned) for _ in range(_HOSTS)]
        self._hosts = [(host, self._views(host), torch.cuda.Event() if pinned else None) for host in hosts]
        self._latest = 0

    def _views(self, whole: Tensor) -> list[Tensor]:
        found = []
        for start, (dtype, shape) in zip(self._starts, self._shapes):
            size = dtype.itemsize * math.prod(shape)
            found.append(whole[start : start + size].view(dtype).view(shape))
        return found

    def fill(self, values: Mapping[int, Tensor]) -> None:
        """Put values from the host into some of the tensors, by their numbers; the others hold anything afterwards."""
        self._latest = (self._latest + 1) % _HOSTS
        host, views, sent = self._hosts[self._latest]
        if sent is not None:
            sent.synchronize()  # until the copy before the last has left
        for number, value in values.items():
            views[number].copy_(value)
        self._bytes.copy_(host, non_blocking=True)
        if sent is not None:
            sent.record(torch.cuda.current_stream(self._bytes.device))

"""Rows: a sequence as compiled loops take it, [T, N, F] without gaps, its features in the order of memory."""

from __future__ import annotations

import torch
from torch import Tensor


def on_host(xs: Tensor) -> bool:
    """Whether values can be looked at without waiting for a device that works behind the program."""
    return xs.device.type == "cpu"


def takes_compiled_loops(xs: Tensor, *others: Tensor) -> bool:
    """Whether a compiled loop may run: float32 or float64 on the CPU, no gradient asked for, nothing being traced."""
    if torch.compiler.is_compiling() or not on_host(xs) or xs.dtype not in (torch.float32, torch.float64):
        return False
    # inside torch.func.vmap and its kin
    if torch._C._functorch.is_functorch_wrapped_tensor(xs):  # pyright: ignore[reportAttributeAccessIssue]
        return False
    return not (torch.is_grad_enabled() and any(part.requires_grad for part in (xs, *others)))


class Rows:
    """The order of a sequence's features in memory.

    Args:
        xs: [T, N, *F].

    Example:
        >>> xs = torch.zeros(2, 3, 4, 5, 5)
        >>> Rows(xs).of(xs).shape
        torch.Size([2, 3, 100])
    """

    def __init__(self, xs: Tensor) -> None:
        self.order = (0, 1, *sorted(range(2, xs.dim()), key=xs.stride, reverse=True))
        self.shape = tuple(xs.shape[axis] for axis in self.order)

    def of(self, xs: Tensor) -> Tensor:
        """A sequence [T, N, *F] as [T, N, F]; a copy only where memory has gaps or repeats."""
        return xs.permute(self.order).contiguous().view(*self.shape[:2], -1)

    def each(self, value: Tensor | float, like: Tensor) -> Tensor:
        """A constant that broadcasts to [N, *F], the same for all N, as [F] in the dtype of `like`."""
        wide = torch.as_tensor(value, dtype=like.dtype, device=like.device).expand(1, 1, *self._features())
        return wide.permute(self.order).contiguous().view(-1)

    def shares(self, *values: Tensor | float) -> bool:
        """Whether constants that broadcast to [N, *F] are the same for all N, so that `each` can take them."""
        features = len(self.order) - 2
        return all(not isinstance(v, Tensor) or v.dim() <= features or v.shape[-features - 1] == 1 for v in values)

    def state(self, part: Tensor) -> Tensor:
        """A state [N, *F] as [N, F], always a copy."""
        return part.unsqueeze(0).permute(self.order).contiguous().clone().view(len(part), -1)

    def back(self, rows: Tensor) -> Tensor:
        """[T, N, F] -> [T, N, *F], a view; of states [N, F] -> [N, *F]."""
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        if rows.dim() == 2:
            return self.back(rows.unsqueeze(0))[0]
        return rows.view(*rows.shape[:2], *self.shape[2:]).permute(inverse)

    def _features(self) -> tuple[int, ...]:
        back = dict(zip(self.order, self.shape))
        return tuple(back[axis] for axis in range(2, len(self.order)))

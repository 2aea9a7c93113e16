"""Order: the values of a layer in the order in which they lie in memory, so that loops run over plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Order:
    """The memory order of one time step, [N, *F].

    Args:
        axes: axes of a step, the slowest first.
        shape: shape of a step.
    """

    axes: tuple[int, ...]
    shape: torch.Size

    @property
    def size(self) -> int:
        """Values of a step."""
        return self.shape.numel()

    def sequence(self, xs: Tensor) -> tuple[Tensor, int]:
        """Sequence [T, N, *F] -> flat values and the distance of two steps in them, 0 if all steps are the same."""
        if xs.stride(0) == 0 or xs.shape[0] == 1:
            return self.step(xs[0]), 0
        return self.all_steps(xs), self.size

    def all_steps(self, xs: Tensor) -> Tensor:
        """Sequence [T, N, *F] -> flat values of every step, also where all are the same."""
        return xs.permute(0, *(axis + 1 for axis in self.axes)).contiguous().view(-1)

    def step(self, x: Tensor) -> Tensor:
        """One step [N, *F] -> flat values."""
        return x.permute(self.axes).contiguous().view(-1)

    def constant(self, value: Tensor) -> Tensor:
        """A constant that broadcasts to [N, *F] -> one value, or flat values."""
        return value.reshape(1) if value.numel() == 1 else self.step(value.expand(self.shape))

    def unflat(self, values: Tensor, *leading: int) -> Tensor:
        """Flat values -> [*leading, N, *F] in the same memory."""
        shape = [self.shape[axis] for axis in self.axes]
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return values.view(*leading, *shape).permute(*range(len(leading)), *(len(leading) + axis for axis in back))


def order_of(xs: Tensor) -> Order:
    """The memory order of a sequence [T, N, *F], whatever it is: contiguous, channels last, ...

    Example:
        >>> order_of(torch.zeros(2, 3, 4, 5, 5).permute(0, 1, 3, 4, 2)).axes
        (0, 3, 1, 2)
    """
    strides = xs.stride()[1:]
    return Order(tuple(sorted(range(len(strides)), key=lambda axis: (-strides[axis], axis))), xs.shape[1:])

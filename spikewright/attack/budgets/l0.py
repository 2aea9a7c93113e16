"""L0: at most eps values may change, each to any value of the range."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ..budget import SLACK, Budget, random_signs, uniform


def largest(score: Tensor, count: int, among: Tensor) -> Tensor:
    """Where each sample has its `count` largest scores among those that are allowed; of equal ones any.

    Example:
        >>> score = torch.tensor([[3.0, -1.0, 0.0], [0.0, 9.0, 2.0]])
        >>> largest(score, 2, score != 0).int()
        tensor([[1, 1, 0],
                [0, 1, 1]], dtype=torch.int32)
    """
    flat = torch.where(among, score, -torch.inf).flatten(1)
    places = flat.topk(min(count, flat.shape[1]), dim=1).indices
    return torch.zeros_like(flat, dtype=torch.bool).scatter(1, places, True).view_as(score) & among


@dataclass(frozen=True, kw_only=True)
class L0(Budget):
    """At most eps values of a sample differ from x; those that do lie anywhere in low..high.

    Values are counted, not pixels: a pixel of three channels counts up to three, a spike at one time step counts one.
    A norm without length has no short steps, so `ascend` changes the values with the most to gain, each as far as the
    range allows.

    Args:
        eps: number of values, whole.
        low, high: finite; see `Budget`.

    Source: Croce and Hein 2019, "Sparse and Imperceivable Adversarial Attacks", ICCV 2019, arXiv 1909.05040, section 3
        (projection onto L0 and box: the values with the largest gain).
        Differs: single values instead of pixels; steps go to the ends of the range, without a step size.

    Example:
        >>> L0(eps=1).project(torch.tensor([[0.9, 0.2]]), torch.tensor([[0.5, 0.5]]))
        tensor([[0.9000, 0.5000]])
    """

    eps: float = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps != int(self.eps):
            raise ArgumentError(sentence("L0.eps", repr(self.eps), "a whole number of values of at least 0"))
        if math.isinf(self.low) or math.isinf(self.high):
            met, todo = f"low={self.low}, high={self.high}", "A changed value may go to any value of the range"
            raise ArgumentError(sentence("L0", met, "a finite range", todo))

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        nearest = self.within(z, x)
        saved = (z - x).square() - (z - nearest).square()  # of the squared distance, if this value may change
        return torch.where(largest(saved, int(self.eps), saved > 0), nearest, x)

    def steepest(self, gradient: Tensor) -> Tensor:
        return torch.where(largest(gradient.abs(), 1, gradient != 0), gradient.sign(), 0.0)

    def ascend(self, z: Tensor, x: Tensor, gradient: Tensor, share: float) -> Tensor:
        """Change share * eps values, those that gain most, as far as they can; give back changes that gain least."""
        end = torch.where(gradient > 0, x.clamp(min=self.high), x.clamp(max=self.low))
        rise = gradient * (end - z)
        moved = torch.where(largest(rise, self._count(share), rise > 0), end, z)
        return torch.where(largest(gradient * (moved - x), int(self.eps), moved != x), moved, x)

    def sample(self, x: Tensor, generator: torch.Generator) -> Tensor:
        value = self.low + (self.high - self.low) * uniform(x, generator)
        return torch.where(self._anywhere(x, generator), value, x)

    def edge(self, x: Tensor, generator: torch.Generator) -> Tensor:
        end = torch.where(random_signs(x, generator) > 0, self.high, self.low)
        end = torch.where(end == x, self.low + self.high - end, end)  # the other end, so that each of them counts
        return torch.where(self._anywhere(x, generator), end, x)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        return (z != x).flatten(1).sum(1).to(x.dtype)

    def scaled(self, share: float) -> Self:
        return replace(self, eps=self._count(share))

    def _count(self, share: float) -> int:
        """A share of the values, rounded up: 0 only of nothing."""
        return math.ceil(share * self.eps - SLACK)

    def _anywhere(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """True at eps random places of each sample."""
        return largest(uniform(x, generator), int(self.eps), torch.ones_like(x, dtype=torch.bool))

"""L2: the Euclidean length of the whole perturbation is at most eps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..budget import Budget, normal, per_sample, uniform


@dataclass(frozen=True, kw_only=True)
class L2(Budget):
    """||z - x||_2 <= eps over all values of a sample, within low..high.

    The nearest allowed point is found up to the order of the two limits: first the length is cut, then the range, which
    never makes the perturbation longer.

    Args:
        eps: in the unit of the values; for images in 0..1 with 32x32x3 values 0.5 is common.
        low, high: see `Budget`.

    Source: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        arXiv 1706.06083.

    Example:
        >>> L2(eps=1.0, low=-9, high=9).project(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([[0.6000, 0.8000]])
    """

    eps: float = 0.5

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        change = z - x
        length = self.distance(z, x)
        factor = torch.where(length > self.eps, self.eps / length.clamp(min=torch.finfo(x.dtype).tiny), 1.0)
        return self.within(x + per_sample(factor, x) * change, x)

    def steepest(self, gradient: Tensor) -> Tensor:
        length = gradient.flatten(1).norm(dim=1)
        return gradient / per_sample(torch.where(length > 0, length, 1.0), gradient)

    def sample(self, x: Tensor, generator: torch.Generator) -> Tensor:
        share = uniform(x.flatten(1)[:, 0], generator) ** (1 / x[0].numel())  # uniform in the volume of the ball
        return self.project(x + per_sample(self.eps * share, x) * self.steepest(normal(x, generator)), x)

    def edge(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.project(x + self.eps * self.steepest(normal(x, generator)), x)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        return (z - x).flatten(1).norm(dim=1)

"""Linf: every value may change by at most eps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..budget import Budget, random_signs, uniform


@dataclass(frozen=True, kw_only=True)
class Linf(Budget):
    """|z - x| <= eps for every value, within low..high.

    Args:
        eps: in the unit of the values; for images in 0..1, 8/255 is eight grey levels.
        low, high: see `Budget`.

    Source: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", ICLR 2015,
        arXiv 1412.6572, section 3.

    Example:
        >>> Linf(eps=0.25).project(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0]]))
        tensor([[0.7500, 0.0000]])
    """

    eps: float = 8 / 255

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        return self.within(torch.maximum(torch.minimum(z, x + self.eps), x - self.eps), x)

    def steepest(self, gradient: Tensor) -> Tensor:
        return gradient.sign()

    def sample(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.project(x + self.eps * (2 * uniform(x, generator) - 1), x)

    def edge(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.project(x + self.eps * random_signs(x, generator), x)

    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        return (z - x).flatten(1).abs().amax(1)

"""Budget: which perturbations are allowed, as a value that searches ask and the harness enforces."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from numbers import Real
from typing import ClassVar, Self

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence

SLACK = 1e-6
"""What rounding may add to a perturbation, relative to its size and to that of the values."""


@dataclass(frozen=True, kw_only=True)
class Budget(ABC):
    """A set of inputs around each sample. All tensors are [N, ...], batch first; samples are never mixed.

    Args:
        eps: size of the set, in the unit of the norm and of the values before any scaling inside the network.
        low: smallest allowed value; minus infinity for none.
        high: largest allowed value.
    """

    discrete: ClassVar[bool] = False
    """Whether allowed inputs lie apart, as whole numbers of events do, so that no small step leads to another one."""

    over_time: ClassVar[bool] = False
    """Whether the first axis behind the batch must be time."""

    eps: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        who = type(self).__name__
        for name in ("eps", "low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
                raise ArgumentError(sentence(f"{who}.{name}", repr(value), "a number"))
        if self.eps < 0 or math.isinf(self.eps):
            raise ArgumentError(sentence(f"{who}.eps", repr(self.eps), "a finite number of at least 0"))
        if self.low >= self.high:
            met = f"low={self.low}, high={self.high}"
            raise ArgumentError(sentence(who, met, "a low below the high", "Take the range that the data has"))

    def check(self, x: Tensor) -> None:  # noqa: B027 - most budgets take any values
        """Raise DataError or ShapeError for a batch around which the budget has no meaning."""

    @abstractmethod
    def project(self, z: Tensor, x: Tensor) -> Tensor:
        """The allowed input nearest to z, around x; x itself where eps is 0, even if x lies outside low..high."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of norm 1 along which a linear function with this gradient rises most."""

    @abstractmethod
    def sample(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A random allowed input around x, for starts."""

    @abstractmethod
    def edge(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A random input with a perturbation of full size, before low and high cut it: the noise to compare with."""

    @abstractmethod
    def distance(self, z: Tensor, x: Tensor) -> Tensor:
        """Size of the perturbation of each sample in the budget's norm, [N]."""

    def ascend(self, z: Tensor, x: Tensor, gradient: Tensor, share: float) -> Tensor:
        """z moved up a linear function with this gradient, by a share of the budget around x; to be projected."""
        return z + share * self.eps * self.steepest(gradient)

    def scaled(self, share: float) -> Self:
        """The same kind of set, this many times as large."""
        return replace(self, eps=share * self.eps)

    def contains(self, z: Tensor, x: Tensor) -> Tensor:
        """Whether each sample is allowed, up to rounding, [N]."""
        room = SLACK * max(1.0, self.eps)
        low, high = torch.clamp(x, max=self.low), torch.clamp(x, min=self.high)
        inside = ((z >= low - SLACK) & (z <= high + SLACK)).flatten(1).all(1)
        return inside & (self.distance(z, x) <= self.eps + room)

    def within(self, z: Tensor, x: Tensor) -> Tensor:
        """Values cut to low..high; a value that lies outside in x itself may stay where it is."""
        return torch.maximum(torch.minimum(z, x.clamp(min=self.high)), x.clamp(max=self.low))


def unit_mean(gradient: Tensor) -> Tensor:
    """A gradient of which the mean absolute value is 1 in every sample, or 0 where it is 0."""
    mean = per_sample(gradient.flatten(1).abs().mean(1), gradient)
    return gradient / torch.where(mean > 0, mean, 1.0)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """[N] -> [N, 1, ...], to be multiplied with a tensor [N, ...]."""
    return values.view(-1, *[1] * (like.dim() - 1))


def random_signs(x: Tensor, generator: torch.Generator) -> Tensor:
    """-1 or 1 with equal probability, like x; drawn on the generator's device, so that no device changes them."""
    draw = torch.randint(0, 2, x.shape, generator=generator, device=generator.device)
    return (2 * draw - 1).to(x)


def uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform in 0..1, like x."""
    return torch.rand(x.shape, generator=generator, device=generator.device).to(x)


def normal(x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal with mean 0 and standard deviation 1, like x."""
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)

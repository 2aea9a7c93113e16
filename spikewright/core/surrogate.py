"""Spike functions: one autograd function with the exact step forward; each class is only a derivative.

`primitive` is the smooth step whose derivative stands in for the step's; it is never used in the forward pass.
All take u = membrane potential minus threshold, in units of the threshold's own scale.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .errors import ArgumentError, sentence


class _Spike(torch.autograd.Function):
    """The step, with the derivative of a surrogate."""

    @staticmethod
    def forward(u: Tensor, surrogate: Surrogate) -> Tensor:
        return surrogate.fires(u, 0).to(u.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        u, ctx.surrogate = inputs
        ctx.save_for_backward(u)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        (u,) = ctx.saved_tensors
        return grad * ctx.surrogate.derivative(u), None


@dataclass(frozen=True, kw_only=True)
class Surrogate(ABC):
    """A spike function: fires when u >= 0 (or u > 0 with `fires=torch.gt`); subclasses give the derivative.

    Args:
        fires: the comparison with zero, `torch.ge` or `torch.gt`.
    """

    fires: Callable[..., Tensor] = field(default=torch.ge, repr=False)

    def __call__(self, u: Tensor) -> Tensor:
        """Spikes 0 or 1 for u = v - v_threshold, any shape and float dtype; same shape and dtype out."""
        return _Spike.apply(u, self)  # pyright: ignore[reportReturnType]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not (value > 0 and math.isfinite(value)):
                raise ArgumentError(sentence(f"{type(self).__name__}.{name}", repr(value), "a finite number above 0"))

    @abstractmethod
    def primitive(self, u: Tensor) -> Tensor:
        """The smooth step itself, rising from about 0 to about 1 (some overshoot by design)."""

    @abstractmethod
    def derivative(self, u: Tensor) -> Tensor:
        """d primitive / d u, used in place of the step's derivative."""


@dataclass(frozen=True, kw_only=True)
class ATan(Surrogate):
    """Arctangent: derivative (alpha/2) / (1 + (pi alpha u / 2)^2).

    Source: Fang et al. 2021, "Incorporating Learnable Membrane Time Constant", ICCV 2021, eq. 14.
    """

    alpha: float = 2.0

    def primitive(self, u: Tensor) -> Tensor:
        return torch.atan(math.pi / 2 * self.alpha * u) / math.pi + 0.5

    def derivative(self, u: Tensor) -> Tensor:
        return self.alpha / 2 / (1 + (math.pi / 2 * self.alpha * u).square())


@dataclass(frozen=True, kw_only=True)
class SuperSpike(Surrogate):
    """Fast sigmoid: derivative 1 / (1 + beta |u|)^2; its primitive spans a width of 2/beta.

    Source: Zenke and Ganguli 2018, "SuperSpike", Neural Computation 30(6), eq. 9.
    """

    beta: float = 10.0

    def primitive(self, u: Tensor) -> Tensor:
        return u / (1 + self.beta * u.abs()) + 1 / self.beta

    def derivative(self, u: Tensor) -> Tensor:
        return 1 / (1 + self.beta * u.abs()).square()


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Surrogate):
    """Logistic: derivative alpha sigma(alpha u) (1 - sigma(alpha u)). Source: Neftci et al. 2019, IEEE SPM 36(6)."""

    alpha: float = 4.0

    def primitive(self, u: Tensor) -> Tensor:
        return torch.sigmoid(self.alpha * u)

    def derivative(self, u: Tensor) -> Tensor:
        p = torch.sigmoid(self.alpha * u)
        return self.alpha * p * (1 - p)


@dataclass(frozen=True, kw_only=True)
class Triangle(Surrogate):
    """Triangle of half-width gamma and area 1: derivative max(0, gamma - |u|) / gamma^2.

    Source: Esser et al. 2016, PNAS 113(41); in this form Deng et al. 2022, "Temporal Efficient Training", ICLR 2022.
    """

    gamma: float = 1.0

    def primitive(self, u: Tensor) -> Tensor:
        w = (u / self.gamma).clamp(-1, 1)
        return 0.5 + w - w * w.abs() / 2

    def derivative(self, u: Tensor) -> Tensor:
        return (self.gamma - u.abs()).clamp(min=0) / self.gamma**2


@dataclass(frozen=True, kw_only=True)
class Rectangle(Surrogate):
    """Rectangle of full width `width` and area 1: derivative 1/width for |u| < width/2.

    Source: Wu et al. 2018, "Spatio-Temporal Backpropagation", Frontiers in Neuroscience 12:331, eq. 24.
    """

    width: float = 1.0

    def primitive(self, u: Tensor) -> Tensor:
        return (u / self.width + 0.5).clamp(0, 1)

    def derivative(self, u: Tensor) -> Tensor:
        return (u.abs() < self.width / 2).to(u.dtype) / self.width


@dataclass(frozen=True, kw_only=True)
class Gaussian(Surrogate):
    """Normal density of standard deviation sigma. Source: Yin, Corradi and Bohte 2020, ICONS 2020."""

    sigma: float = 0.5

    def primitive(self, u: Tensor) -> Tensor:
        return 0.5 * (1 + torch.erf(u / (self.sigma * math.sqrt(2))))

    def derivative(self, u: Tensor) -> Tensor:
        return torch.exp(-0.5 * (u / self.sigma).square()) / (self.sigma * math.sqrt(2 * math.pi))


@dataclass(frozen=True, kw_only=True)
class MultiGaussian(Surrogate):
    """Normal density with a negative rim: (1+h) N(0, sigma) - h N(0, scale sigma) twice, halved at +-sigma.

        derivative = (1 + h) N(u; 0, sigma) - h/2 [N(u; sigma, s sigma) + N(u; -sigma, s sigma)]

    The negative rim keeps the area at 1. Source: Yin, Corradi and Bohte 2021, Nature Machine Intelligence 3;
        Differs: there each rim has the weight h, so that the area is 1 - h.
    """

    sigma: float = 0.5
    height: float = 0.15
    scale: float = 6.0

    def primitive(self, u: Tensor) -> Tensor:
        def cdf(x: Tensor, sigma: float) -> Tensor:
            return 0.5 * (1 + torch.erf(x / (sigma * math.sqrt(2))))

        wide = self.scale * self.sigma
        rim = cdf(u - self.sigma, wide) + cdf(u + self.sigma, wide)
        return (1 + self.height) * cdf(u, self.sigma) - self.height / 2 * rim

    def derivative(self, u: Tensor) -> Tensor:
        def pdf(x: Tensor, sigma: float) -> Tensor:
            return torch.exp(-0.5 * (x / sigma).square()) / (sigma * math.sqrt(2 * math.pi))

        wide = self.scale * self.sigma
        rim = pdf(u - self.sigma, wide) + pdf(u + self.sigma, wide)
        return (1 + self.height) * pdf(u, self.sigma) - self.height / 2 * rim


@dataclass(frozen=True, kw_only=True)
class PiecewiseExponential(Surrogate):
    """Two-sided exponential: derivative (alpha/2) exp(-alpha |u|).

    Source: Shrestha and Orchard 2018, "SLAYER", NeurIPS 2018.
    """

    alpha: float = 2.0

    def primitive(self, u: Tensor) -> Tensor:
        tail = 0.5 * torch.exp(-self.alpha * u.abs())
        return torch.where(u < 0, tail, 1 - tail)

    def derivative(self, u: Tensor) -> Tensor:
        return self.alpha / 2 * torch.exp(-self.alpha * u.abs())


@dataclass(frozen=True, kw_only=True)
class SoftSign(Surrogate):
    """Soft sign: derivative alpha / (2 (1 + alpha |u|)^2), the fast sigmoid scaled to a rise of 1."""

    alpha: float = 2.0

    def primitive(self, u: Tensor) -> Tensor:
        return 0.5 * (self.alpha * u / (1 + self.alpha * u.abs()) + 1)

    def derivative(self, u: Tensor) -> Tensor:
        return self.alpha / 2 / (1 + self.alpha * u.abs()).square()


@dataclass(frozen=True, kw_only=True)
class Tanh(Surrogate):
    """Hyperbolic tangent: derivative (alpha/2) / cosh(alpha u)^2.

    Source: Woźniak et al. 2020, Nature Machine Intelligence 2.
    """

    alpha: float = 2.0

    def primitive(self, u: Tensor) -> Tensor:
        return 0.5 * (1 + torch.tanh(self.alpha * u))

    def derivative(self, u: Tensor) -> Tensor:
        return self.alpha / 2 * (1 - torch.tanh(self.alpha * u).square())


@dataclass(frozen=True, kw_only=True)
class LeakyRectangle(Surrogate):
    """Rectangle on a slope: derivative 1/width inside |u| < width/2 and `leak` outside, so no neuron is cut off."""

    width: float = 1.0
    leak: float = 0.1

    def primitive(self, u: Tensor) -> Tensor:
        inside = u.clamp(-self.width / 2, self.width / 2)
        return inside / self.width + 0.5 + self.leak * (u - inside)

    def derivative(self, u: Tensor) -> Tensor:
        inside = u.abs() < self.width / 2
        return torch.full_like(u, self.leak).masked_fill(inside, 1 / self.width)


@dataclass(frozen=True, kw_only=True)
class StraightThrough(Surrogate):
    """Derivative 1 everywhere. Source: Bengio, Léonard and Courville 2013, arXiv 1308.3432."""

    def primitive(self, u: Tensor) -> Tensor:
        return u + 0.5

    def derivative(self, u: Tensor) -> Tensor:
        return torch.ones_like(u)

"""Rate rules: the gradient of a neuron is the slope of its firing rate, with no coupling between the steps."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core.dynamics import Leaky
from ...core.errors import ArgumentError, sentence
from ...core.fused import fused
from ...core.neuron import Neuron
from ...core.types import State
from ..rule import Sloped, UnrollRule, threshold_of


@dataclass(frozen=True, kw_only=True)
class RateRule(UnrollRule):
    """The gradient that arrives at the spikes of a step goes to the input of that step, times one slope per neuron."""

    @abstractmethod
    def slope(self, neuron: Any, xs: Tensor, spikes: Tensor) -> Tensor:
        """Slope of the mean unit spikes by the mean input, [1, N, *F], from input and unit spikes [T, N, *F]."""

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        if neuron.levels != (0.0, 1.0) or not hasattr(neuron, "v_threshold"):
            met, allowed = f"{name} ({type(neuron).__name__})", "neurons with a threshold and spikes 0 and 1"
            raise ArgumentError(sentence(type(self).__name__, met, allowed))

    @torch.no_grad()
    def watched(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor, Tensor]:
        """Run the steps without a gradient: state, unit spikes [T, N, *F], and slope [1, N, *F]."""
        state, spikes = fused(neuron, state, xs)
        return state, spikes, self.slope(neuron, xs, spikes)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps without a gradient, then attach the slope."""
        state, spikes, slope = self.watched(neuron, state, xs)
        return state, Sloped.apply(xs, spikes, slope)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True, kw_only=True)
class BPTR(RateRule):
    """Back-propagation through rate: slope 1 for a neuron that fired at all, 0 for a silent one.

    Source: Ding et al. 2022, "SNN-RAT: Robustness-enhanced Spiking Neural Network through Regularized Adversarial
        Training", NeurIPS 2022, and its code, github.com/putshua/SNN-RAT, commit d73f105.
        Differs: the slope is 1 / threshold, where it is 1 there; a neuron fires at v >= threshold in all rules.

    Example:
        >>> from spikewright.neurons import IF
        >>> BPTR().slope(IF(), torch.zeros(2, 1, 2), torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]]]))
        tensor([[[0., 1.]]])
    """

    def slope(self, neuron: Any, xs: Tensor, spikes: Tensor) -> Tensor:
        return (spikes.sum(0, keepdim=True) > 0).to(xs.dtype) / threshold_of(neuron, xs)


@dataclass(frozen=True, kw_only=True)
class RGA(RateRule):
    """Rate gradient approximation: the slope of a leaky neuron's rate as a piecewise linear function of its input.

        phi(x) = g                                  0 <= x <= 1 - decay
        phi(x) = (1 - g (1 - decay)) / (decay + e)  1 - decay < x <= 1 + e          0 elsewhere

    with x the mean input in thresholds; the rate curve rises from 0 to 1 over [0, 1 + e].

    Args:
        g: slope below the drive from which the neuron fires.
        e: how far beyond saturation a slope is kept.

    Source: Bu et al. 2023, "Rate Gradient Approximation Attack Threats Deep Spiking Neural Networks", CVPR 2023,
        and its code, github.com/putshua/SNN_attack_RGA, commit f52ea8d.
        Differs: at the one point x = 1 - decay the code adds both slopes.

    Example:
        >>> from spikewright.neurons import IF
        >>> RGA().slope(IF(), torch.tensor([-1.0, 0.5, 3.0]).view(1, 1, 3), torch.zeros(1, 1, 3))
        tensor([[[0.0000, 0.5000, 0.0000]]])
    """

    g: float = 0.2
    e: float = 1.0

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        super().check_neuron(name, neuron)
        if not isinstance(neuron.dynamics(), Leaky):
            met, allowed = f"{name} ({type(neuron).__name__})", "IF, LIF or PLIF, whose rate curve it knows"
            raise ArgumentError(sentence("RGA", met, allowed, "Take HART or SurrogateBPTT"))

    def slope(self, neuron: Any, xs: Tensor, spikes: Tensor) -> Tensor:
        known: Any = neuron.dynamics()
        threshold, decay, gain = (value.detach().to(xs.dtype) for value in (known.v_threshold, known.decay, known.gain))
        drive, keeps = gain * xs.mean(0, keepdim=True) / threshold, decay
        low = (drive >= 0) & (drive <= 1 - keeps)
        high = (drive > 1 - keeps) & (drive <= 1 + self.e)
        steep = (1 - self.g * (1 - keeps)) / (keeps + self.e)
        return (self.g * low + steep * high) * gain / threshold


@dataclass(frozen=True, kw_only=True)
class RateSlope(RateRule):
    """One slope per layer and sample, the mean of rate / input over its driven neurons; 0 for the others.

    Source: HART's code, github.com/hzc1208/HART_Attack, commit 358c1ea, mode "bptr3".
        Differs: the mean is taken in each sample, not over the batch, so that no sample's gradient depends on others.

    Example:
        >>> from spikewright.neurons import IF
        >>> RateSlope().slope(IF(), torch.tensor([[[0.5, -1.0]]]), torch.tensor([[[1.0, 0.0]]]))
        tensor([[[1.9980, 0.0000]]])
    """

    def slope(self, neuron: Any, xs: Tensor, spikes: Tensor) -> Tensor:
        drive, rate = xs.mean(0, keepdim=True), spikes.mean(0, keepdim=True)
        driven = drive > 0
        ratios = torch.where(driven, rate / torch.where(driven, drive, 1.0), 0.0)
        others = tuple(range(2, xs.dim()))
        return driven * ratios.sum(others, keepdim=True) / (driven.sum(others, keepdim=True) + 0.001)

"""HART: a gradient between rate and time, averaged over the steps, with one knob for how much time it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence
from ...core.neuron import Neuron
from ...core.surrogate import Triangle
from ...core.types import State
from ..rule import MeanOverTime, UnrollRule, another_surrogate, check_spike, detached_state


@dataclass(frozen=True, kw_only=True)
class HART(UnrollRule):
    """Every step has a slope of its own, nothing passes from step to step, and the result is averaged over time.

        R[t'] = 1/T sum_t G[t] triangle_gamma(u[t])        u[t]: potential before the reset, minus the threshold

    with G[t] the gradient that arrives at the spikes and R[t'] the one handed down, the same for all t'.

    Args:
        gamma: half-width of the triangle, in thresholds; large sees only rates, small only neurons near their
            threshold. Choose it on samples that are not judged, or count several as one attack.

    Source: Hao et al. 2024, "Threaten Spiking Neural Networks through Combining Rate and Temporal Information", ICLR
        2024, and its code, github.com/hzc1208/HART_Attack, commit 358c1ea.
        Differs: the width is measured in thresholds, which are 1 there; it is not chosen on the test set.

    Example:
        >>> from spikewright.core import Spiking
        >>> from spikewright.models.classifier import Classifier
        >>> from spikewright.neurons import IF
        >>> view = Classifier(Spiking(torch.nn.Sequential(torch.nn.Flatten(), IF())), 2, rule=HART(gamma=1.0))
        >>> x = torch.full((1, 1), 0.75, requires_grad=True)
        >>> view(x).sum().backward()
        >>> x.grad  # u is -0.25 and 0.5: slopes 0.75 and 0.5
        tensor([[0.6250]])
    """

    gamma: float = 0.5

    def __post_init__(self) -> None:
        if not self.gamma > 0:
            raise ArgumentError(sentence("HART.gamma", repr(self.gamma), "a number above 0"))

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        check_spike("HART", name, neuron)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps; each is differentiated alone."""
        spikes = []
        with another_surrogate(neuron, Triangle(gamma=self.gamma)):
            for x in MeanOverTime.apply(xs):  # pyright: ignore[reportGeneralTypeIssues]
                state, s = neuron.step(detached_state(state), x)
                spikes.append(s)
        return state, torch.stack(spikes)

    def watched(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor, Tensor]:
        """Run the steps: state, unit spikes [T, N, *F], and the mean of the slopes over time, [1, N, *F]."""
        slope, spikes = torch.zeros_like(xs[0]), []
        with another_surrogate(neuron, Triangle(gamma=self.gamma)):
            for x in xs:
                with torch.enable_grad():
                    at = x.detach().requires_grad_()
                    state, s = neuron.step(detached_state(state), at)
                    slope += torch.autograd.grad(s.sum(), at)[0]  # neurons do not mix: each gets its own derivative
                spikes.append(s.detach())
        return detached_state(state), torch.stack(spikes), slope[None] / len(xs)

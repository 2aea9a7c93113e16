"""PDSG: a surrogate as wide as the potentials of a layer have spread so far, and centred above the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core.neuron import Neuron
from ...core.surrogate import Gaussian, Surrogate
from ...core.types import State
from ..rule import UnrollRule, check_spike, surrogate_of_potentials

NARROWEST = 1e-2
"""Least standard deviation, in thresholds: of potentials that do not differ at all it would be 0."""


@dataclass(frozen=True, kw_only=True)
class Centred(Surrogate):
    """A surrogate moved to another centre.

    Args:
        surrogate: around 0.
        centre: broadcastable to u.
    """

    surrogate: Surrogate
    centre: Tensor

    def primitive(self, u: Tensor) -> Tensor:
        return self.surrogate.primitive(u - self.centre)

    def derivative(self, u: Tensor) -> Tensor:
        return self.surrogate.derivative(u - self.centre)


class Spread:
    """Standard deviation of all potentials seen so far, of each channel [N, C, 1, 1], or of each sample [N, 1]."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), torch.zeros(())

    def after(self, u: Tensor) -> Tensor:
        """With the potentials of one more step, [N, C, H, W] or [N, F].

        Example:
            >>> Spread().after(torch.tensor([[1.0, 3.0]]))
            tensor([[1.]])
        """
        among = tuple(range(2, u.dim())) or (1,)
        wide = u.double()
        self.count += u[0].numel() // u.mean(among)[0].numel()
        self.total = self.total.to(wide) + wide.sum(among, keepdim=True)
        self.squares = self.squares.to(wide) + wide.square().sum(among, keepdim=True)
        variance = self.squares / self.count - (self.total / self.count).square()
        return variance.clamp(min=0).sqrt().to(u.dtype)


@dataclass(frozen=True, kw_only=True)
class PDSG(UnrollRule):
    """Potential-dependent: back-propagation through time with a normal density that follows the potentials.

        g(u) = N(u; mean sigma / 2, standard deviation sigma)

    with sigma the standard deviation of the potentials of all steps so far, in thresholds: of a channel over space, or
    of a layer without space over its neurons.

    Source: Lun et al. 2025, "Towards Effective and Sparse Adversarial Attack on Spiking Neural Networks via Breaking
        Invisible Surrogate Gradients", CVPR 2025, potential-dependent surrogate gradient.
        Differs: taken in each sample, not over the batch, so that no sample's gradient depends on others.

    Example:
        >>> from spikewright.neurons import IF
        >>> xs = torch.tensor([[[1.0, 2.0]]]).requires_grad_()
        >>> neuron = IF()
        >>> _, s = PDSG()(neuron, neuron.init_state(xs[0]), xs)
        >>> s.sum().backward()
        >>> xs.grad  # u = 0 and 1, so sigma = 0.5: the density at -0.25 and 0.75
        tensor([[[0.7041, 0.2590]]])
    """

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        check_spike("PDSG", name, neuron)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps, each with the density of the potentials so far."""
        spread, spikes = Spread(), []

        def choose(u: Tensor) -> Surrogate:
            sigma: Any = spread.after(u).clamp(min=NARROWEST)  # Gaussian takes a tensor as well
            return Centred(surrogate=Gaussian(sigma=sigma), centre=sigma / 2)

        with surrogate_of_potentials(neuron, choose):
            for x in xs:
                state, s = neuron.step(state, x)
                spikes.append(s)
        return state, torch.stack(spikes)

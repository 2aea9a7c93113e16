"""Actors: observations in, bounded actions out; a spiking network between populations of neurons, or a plain one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..coding.encode import repeat
from ..coding.population import Population
from ..coding.readout import mean
from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from ..core.fused import fused
from ..core.neuron import Neuron
from ..core.reset import subtract, to_zero
from ..core.spiking import Spiking
from ..core.surrogate import Rectangle, StraightThrough
from ..models.mlp import mlp
from ..neurons import DN, IF, LIF, CubaLIF

ENCODER_THRESHOLD = 0.999
"""A neuron whose activity is 1 fires at every step; of a threshold of 1 rounding would take spikes away."""


def _spike() -> Rectangle:
    return Rectangle(width=1.0, fires=torch.gt)


def published_lif() -> LIF:
    """v' = 0.75 v + x, spikes above 0.5, reset to zero through which the gradient passes; all steps in one pass."""
    neuron = LIF(tau=-1 / math.log(0.75), v_threshold=0.5, spike=_spike(), reset=to_zero)
    neuron.unroll = fused
    return neuron


def published_clif() -> CubaLIF:
    """The same behind a current that keeps half of itself per step."""
    halves, kept = -1 / math.log(0.5), -1 / math.log(0.75)
    return CubaLIF(tau_syn=halves, tau_mem=kept, v_threshold=0.5, spike=_spike(), reset=to_zero)


def published_dn() -> DN:
    """The dynamic neuron with its published constants."""
    return DN(spike=_spike())


NEURONS: dict[str, Callable[[], Neuron]] = {"LIF": published_lif, "CLIF": published_clif, "DN": published_dn}
"""Neurons of the published actors, by the names that they have there."""


@dataclass(frozen=True)
class Space:
    """What an environment gives and takes.

    Args:
        observations: numbers in an observation.
        low, high: bounds of each action, finite.
    """

    observations: int
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        check_whole("Space.observations", self.observations, least=1)
        if not self.low or len(self.low) != len(self.high):
            met = f"{len(self.low)} lower and {len(self.high)} upper bounds"
            raise ArgumentError(sentence("Space", met, "one of each for every action"))
        for low, high in zip(self.low, self.high):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                todo = "Wrap the environment so that its actions are bounded"
                raise ArgumentError(sentence("Space", f"actions from {low} to {high}", "finite bounds", todo))

    @property
    def actions(self) -> int:
        """Numbers in an action."""
        return len(self.low)


def check_widths(who: str, hidden: object) -> None:
    """Raise ArgumentError unless these are sizes of layers."""
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise ArgumentError(sentence(who, repr(hidden), "a size for each layer, e.g. (256, 256)"))
    for width in hidden:
        check_whole(who, width, least=1)


class Bounded(nn.Module):
    """tanh, stretched to the bounds of each action.

    Example:
        >>> Bounded((-2.0,), (2.0,))(torch.tensor([[0.0], [9.0]]))
        tensor([[0.0000],
                [2.0000]])
    """

    middle: Tensor
    reach: Tensor

    def __init__(self, low: Sequence[float], high: Sequence[float]) -> None:
        super().__init__()
        ends = torch.tensor(low), torch.tensor(high)
        self.register_buffer("middle", (ends[0] + ends[1]) / 2)
        self.register_buffer("reach", (ends[1] - ends[0]) / 2)

    def forward(self, x: Tensor) -> Tensor:
        """Any values [N, A] -> actions within the bounds, [N, A]."""
        return self.middle + self.reach * torch.tanh(x)


class Decoder(nn.Module):
    """Firing rates of a population for each action -> one number each: a weighted sum and a bias.

    Args:
        actions: A.
        neurons: P, for each action.
    """

    def __init__(self, actions: int, neurons: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(neurons)
        self.weight = nn.Parameter(torch.empty(actions, neurons).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(actions).uniform_(-bound, bound))

    def forward(self, rates: Tensor) -> Tensor:
        """Rates [N, A * P] -> [N, A]."""
        return (rates.unflatten(1, self.weight.shape) * self.weight).sum(-1) + self.bias


class SpikingActor(nn.Module):
    """A policy of spiking neurons: population encoder, spiking network, decoder of mean rates, bounded action.

    The encoder's neurons fire above 0.999 and keep what is left over; their spikes have the derivative 1. Nothing is
    kept between calls: every decision begins at rest.

    Args:
        space: observations and actions of the environment.
        neuron: makes one layer of neurons of the network.
        timesteps: T of one decision.
        population: neurons of each observation and of each action.
        hidden: neurons of each hidden layer.

    Source: Tang et al. 2020, "Deep Reinforcement Learning with Population-Coded Spiking Neural Network for Continuous
        Control", CoRL 2020, PMLR 155; in this form Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161.

    Example:
        >>> actor = SpikingActor(Space(3, (-1.0,), (1.0,)))
        >>> actor(torch.zeros(2, 3)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        space: Space,
        neuron: Callable[[], Neuron] = published_lif,
        *,
        timesteps: int = 5,
        population: int = 10,
        hidden: Sequence[int] = (256, 256),
    ) -> None:
        super().__init__()
        check_whole("SpikingActor.timesteps", timesteps, least=1)
        check_widths("SpikingActor.hidden", hidden)
        if not callable(neuron) or isinstance(neuron, nn.Module):
            met, allowed = named(neuron), "a function that makes a layer of neurons"
            raise ArgumentError(sentence("SpikingActor.neuron", met, allowed, f"Of NEURONS: {', '.join(NEURONS)}"))
        self.timesteps = timesteps
        self.encoder = Population(space.observations, population)
        first = IF(v_threshold=ENCODER_THRESHOLD, spike=StraightThrough(fires=torch.gt), reset=subtract)
        first.unroll = fused
        layers: list[nn.Module] = [first]
        inputs = space.observations * population
        for outputs in (*hidden, space.actions * population):
            layers += [nn.Linear(inputs, outputs), neuron()]
            inputs = outputs
        self.network = Spiking(nn.Sequential(*layers))
        self.decoder = Decoder(space.actions, population)
        self.bounded = Bounded(space.low, space.high)

    def forward(self, x: Tensor) -> Tensor:
        """Observations [N, D] -> actions [N, A].

        Raises:
            ShapeError: for another number of values.
            DataError: for NaN or infinite observations.
        """
        spikes = self.network(repeat(self.encoder(x), self.timesteps))
        return self.bounded(self.decoder(mean(spikes)))


class OrdinaryActor(nn.Module):
    """A policy of linear layers and ReLU: the one to compare with, and what stands in for a spiking one as its target.

    Args:
        space: observations and actions of the environment.
        hidden: units of each hidden layer.

    Source: Fujimoto, van Hoof and Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", ICML
        2018, arXiv 1802.09477.

    Example:
        >>> OrdinaryActor(Space(3, (-1.0,), (1.0,)))(torch.zeros(2, 3)).shape
        torch.Size([2, 1])
    """

    def __init__(self, space: Space, *, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__()
        check_widths("OrdinaryActor.hidden", hidden)
        shape = (space.observations,)
        self.network = mlp(space.actions, nn.ReLU, shape=shape, widths=tuple(hidden), mean=(), std=())
        self.bounded = Bounded(space.low, space.high)

    def forward(self, x: Tensor) -> Tensor:
        """Observations [N, D] -> actions [N, A]."""
        return self.bounded(self.network(x))

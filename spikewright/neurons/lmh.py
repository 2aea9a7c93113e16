"""LMH: learnable multi-hierarchical neuron, a dendrite and a soma that mix by four trainable factors per layer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.arguments import named
from ..core.dynamics import Hierarchical, fires_at_threshold
from ..core.errors import ArgumentError, sentence
from ..core.neuron import Neuron
from ..core.params import param
from ..core.reset import detached, subtract
from ..core.surrogate import Triangle
from ..core.types import ResetFn, SpikeFn


class LMHState(NamedTuple):
    """State of multi-hierarchical neurons."""

    d: Tensor  # dendrite potential, [N, *F]
    v: Tensor  # membrane potential of the soma, [N, *F]


def lmh_step(
    state: LMHState,
    x: Tensor,
    *,
    a1: Tensor,
    b1: Tensor,
    a2: Tensor,
    b2: Tensor,
    v_threshold: Tensor,
    spike: SpikeFn,
    reset: ResetFn,
) -> tuple[LMHState, Tensor]:
    """Advance multi-hierarchical neurons by one time step: dendrite, soma, fire, reset of the soma.

        d' = a1 * d + b1 * v + x                 v' = a2 * v + b2 * d'
        s = [v' >= v_threshold]                  v'' = reset(v', s, v_threshold)

    The soma uses the dendrite potential of the same step; the dendrite is never reset.

    Args:
        state: potentials before the step, [N, *F].
        x: input current of this step, [N, *F], in the unit of the threshold.
        a1, b1: what the dendrite keeps of itself and takes in of the soma; broadcastable to x.
        a2, b2: what the soma keeps of itself and takes in of the dendrite; broadcastable to x.
        v_threshold: threshold above 0, broadcastable to x.
        spike: spike function.
        reset: reset function.

    Returns:
        The state after the reset, and the spikes, 0 or 1, [N, *F].

    Source: Hao et al. 2024, "A Progressive Training Framework for Spiking Neural Networks with Learnable
        Multi-hierarchical Model", ICLR 2024, OpenReview g52tgL8jy6.

    Example:
        >>> zero, one = torch.zeros(1), torch.ones(1)
        >>> state, s = lmh_step(LMHState(zero, one / 2), one, a1=zero, b1=zero, a2=one, b2=one, v_threshold=one,
        ...                     spike=Triangle(), reset=subtract)
        >>> s, state.d, state.v
        (tensor([1.]), tensor([1.]), tensor([0.5000]))
    """
    d = a1 * state.d + b1 * state.v + x
    v = a2 * state.v + b2 * d
    s = spike(v - v_threshold)
    return LMHState(d, reset(v, s, v_threshold)), s


class Bound(ABC):
    """Where a factor may be, around 0 for a1 and b1 and around 1 for a2 and b2, as a function of a raw number."""

    reach: float
    """How far from the middle; infinite for no bound."""

    @abstractmethod
    def __call__(self, raw: Tensor) -> Tensor:
        """Any raw number -> distance from the middle; 0 -> 0."""

    @abstractmethod
    def inverse(self, distance: Tensor) -> Tensor:
        """Distance from the middle -> raw number."""


@dataclass(frozen=True)
class Within(Bound):
    """sigmoid(raw) - 0.5, in (-0.5, 0.5): as published."""

    reach: float = field(default=0.5, init=False)

    def __call__(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw) - 0.5

    def inverse(self, distance: Tensor) -> Tensor:
        return torch.logit(distance + 0.5)


@dataclass(frozen=True)
class Unbounded(Bound):
    """The raw number itself."""

    reach: float = field(default=math.inf, init=False)

    def __call__(self, raw: Tensor) -> Tensor:
        return raw

    def inverse(self, distance: Tensor) -> Tensor:
        return distance


class LMH(Neuron):
    """Learnable multi-hierarchical neuron; fresh, it is an integrate-and-fire neuron that starts at half its threshold.

    Four raw numbers are learnt per layer, 0 at the start unless other factors are given:

        a1 = bound(raw_a1)    b1 = bound(raw_b1)    a2 = 1 + bound(raw_a2)    b2 = 1 + bound(raw_b2)

    A weight decay of the raw numbers pulls the neuron towards integrate-and-fire, as in the published training.
    LMH(a2=decay) is a leaky neuron that keeps `decay` per step.

    Args:
        v_threshold: threshold above 0, number or tensor broadcastable to [N, *F]; it is never learnt.
        start: potential of the soma before the first step, in units of the threshold.
        bound: `Within()` or `Unbounded()`.
        a1, b1, a2, b2: the factors at the start, numbers within the bound: between -0.5 and 0.5, and between 0.5 and
            1.5, for `Within`.
        amplitude: what one spike delivers; the threshold if not given.
        spike, reset, learn: see `Neuron`; "amplitude" can be learnt besides the factors. The published surrogate is a
            triangle of half-width 1 whatever the threshold, and no gradient passes the reset.

    Example:
        >>> LMH(v_threshold=2.0).over_time(torch.ones(4, 1, 1)).flatten().tolist()
        [2.0, 0.0, 2.0, 0.0]
    """

    v_threshold: Tensor
    start: Tensor
    raw_a1: Tensor
    raw_b1: Tensor
    raw_a2: Tensor
    raw_b2: Tensor
    learnable = ("amplitude",)

    def __init__(
        self,
        *,
        v_threshold: float | Tensor = 1.0,
        start: float | Tensor = 0.5,
        bound: Bound | None = None,
        a1: float | Tensor = 0.0,
        b1: float | Tensor = 0.0,
        a2: float | Tensor = 1.0,
        b2: float | Tensor = 1.0,
        amplitude: float | Tensor | None = None,
        spike: SpikeFn | None = None,
        reset: ResetFn | None = None,
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            amplitude=v_threshold if amplitude is None else amplitude,
            spike=Triangle() if spike is None else spike,
            reset=detached(subtract) if reset is None else reset,
            learn=learn,
        )
        if not isinstance(bound, Bound | None):
            raise ArgumentError(sentence("LMH.bound", named(bound), "Within() or Unbounded() of neurons.lmh"))
        self.bound = bound or Within()
        self.hold("v_threshold", v_threshold, above=0)
        self.hold("start", start)
        for name, value, middle in (("a1", a1, 0), ("b1", b1, 0), ("a2", a2, 1), ("b2", b2, 1)):
            self._check_constant(name, value, None)
            distance = param(value) - middle
            if distance.dim() or not bool(distance.abs() < self.bound.reach):
                allowed = f"one number between {middle - self.bound.reach:g} and {middle + self.bound.reach:g}"
                raise ArgumentError(sentence(f"LMH.{name}", repr(value), allowed, "Or take bound=Unbounded()"))
            self.register_parameter(f"raw_{name}", nn.Parameter(self.bound.inverse(distance)))

    def factors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """a1, b1, a2, b2, with their gradients."""
        bound = self.bound
        return bound(self.raw_a1), bound(self.raw_b1), 1 + bound(self.raw_a2), 1 + bound(self.raw_b2)

    def init_state(self, x: Tensor) -> LMHState:
        return LMHState(torch.zeros_like(x), torch.zeros_like(x) + (self.start * self.v_threshold).to(x.dtype))

    def dynamics(self) -> Hierarchical | None:
        if not fires_at_threshold(self.spike):
            return None
        return Hierarchical(self.v_threshold, self.start * self.v_threshold, *self.factors(), self.reset)

    def step(self, state: LMHState, x: Tensor) -> tuple[LMHState, Tensor]:
        a1, b1, a2, b2 = (factor.to(x.dtype) for factor in self.factors())
        v_threshold = self.v_threshold.to(x.dtype)
        return lmh_step(
            state, x, a1=a1, b1=b1, a2=a2, b2=b2, v_threshold=v_threshold, spike=self.spike, reset=self.reset
        )

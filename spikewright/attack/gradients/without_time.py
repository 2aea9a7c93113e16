"""WithoutTime: the gradient of a rate rule from one backward pass that has no time axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence
from ...core.gradient import gradient_rule
from ...core.neuron import Neuron
from ...core.types import State
from ...core.unroll import bptt
from ...models.classifier import Run
from ..rule import GradientRule, Sloped
from .hart import HART
from .rates import RateRule

TOLERANCE = 1e-3
"""How far the means of the two passes may be apart, as a share of the largest: rounding, and no more."""


class Seen(NamedTuple):
    """What the run over time has shown of one call of a layer, [1, N, *F] each."""

    drive: Tensor  # mean input
    spikes: Tensor  # mean unit spikes
    slope: Tensor


@dataclass(frozen=True, kw_only=True)
class WithoutTime(GradientRule):
    """First the network runs over time without a gradient; then its means run once, with each neuron's slope.

    Where the input is the same at every step, the read-out is the mean, and all layers but the neurons are linear in
    time, this is the gradient of the rule itself: the time of one step in place of T for the backward pass, and memory
    that does not grow with T.

    Args:
        rule: HART, or a rate rule such as RGA.

    Raises:
        ArgumentError: when called, if means do not follow from means: the network then has another layer that is not
            linear (a max pool, a softmax), an input that changes, or another read-out.

    Source: closed form of HART, Hao et al. 2024, "Threaten Spiking Neural Networks through Combining Rate and Temporal
        Information", ICLR 2024: with G the same at all steps R = G * mean_t triangle_gamma(u[t]).

    Example:
        >>> from spikewright.core import Spiking
        >>> from spikewright.models.classifier import Classifier
        >>> from spikewright.neurons import IF
        >>> view = Classifier(Spiking(nn.Sequential(nn.Flatten(), IF())), 2, rule=WithoutTime(rule=HART(gamma=1.0)))
        >>> x = torch.full((1, 1), 0.75, requires_grad=True)
        >>> view(x).sum().backward()
        >>> x.grad
        tensor([[0.6250]])
    """

    rule: HART | RateRule = field(default_factory=HART)

    def __post_init__(self) -> None:
        if not isinstance(self.rule, HART | RateRule):
            raise ArgumentError(sentence("WithoutTime.rule", repr(self.rule), "HART() or a rate rule, e.g. RGA()"))

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        self.rule.check_neuron(name, neuron)

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        seen: dict[Neuron, list[Seen]] = {}
        with torch.no_grad(), gradient_rule(model, lambda neuron, state, xs: self._watch(seen, neuron, state, xs)):
            answer = run(timesteps)
        turns = {neuron: iter(calls) for neuron, calls in seen.items()}
        with gradient_rule(model, lambda neuron, state, xs: self._replay(turns, neuron, state, xs)):
            means = run(1)
        self._check(means, answer)
        return means + (answer - means).detach()

    def _watch(self, seen: dict[Neuron, list[Seen]], neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        if neuron.levels is None:
            return bptt(neuron, state, xs)
        end, spikes, slope = self.rule.watched(neuron, state, xs)
        known = Seen(xs.mean(0, keepdim=True), spikes.mean(0, keepdim=True), slope)
        seen.setdefault(neuron, []).append(known)
        return end, spikes

    def _replay(
        self, turns: dict[Neuron, Iterator[Seen]], neuron: Any, state: State, xs: Tensor
    ) -> tuple[State, Tensor]:
        if neuron.levels is None:
            return bptt(neuron, state, xs)
        known = next(turns[neuron])
        self._check(xs, known.drive)
        return state, Sloped.apply(xs, known.spikes, known.slope)  # pyright: ignore[reportReturnType]

    def _check(self, means: Tensor, expected: Tensor) -> None:
        """Raise ArgumentError unless the pass on means gives the means of the run over time."""
        far = (means.detach() - expected).abs().amax()
        if far > TOLERANCE * expected.abs().amax().clamp(min=TOLERANCE):
            met = f"a network whose means over time do not follow from means (they differ by {float(far):.2g})"
            allowed = "repeated input, the mean as read-out, and no layer but neurons that is not linear in time"
            raise ArgumentError(sentence("WithoutTime", met, allowed, f"Take the rule itself: {self.rule}"))

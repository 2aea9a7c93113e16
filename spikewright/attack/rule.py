"""GradientRule: whose gradient an attack follows; the forward pass, and with it every answer, stays the network's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from ..core.gradient import gradient_rule
from ..core.layer_outputs import emits_spikes
from ..core.neuron import Neuron
from ..core.surrogate import Surrogate
from ..core.types import State
from ..models.classifier import Run


@dataclass(frozen=True, kw_only=True)
class GradientRule(ABC):
    """Another gradient for the neurons of a network, for `Classifier(model, timesteps, rule=...)`."""

    same_forward: ClassVar[bool] = True
    """Whether the logits are those of the network itself, bit for bit."""

    remembers: ClassVar[bool] = False
    """Whether a sample's gradient depends on earlier passes or on the other samples; a batch then always runs whole."""

    def fresh(self) -> Self:
        """The rule at the beginning of an attack on a batch, without anything that it may have learnt before."""
        return self

    def again(self) -> Self:
        """The rule for further passes at one point, in which it learns nothing more."""
        return self

    def check(self, model: nn.Module) -> None:
        """Raise ArgumentError if the network has no neurons, or a layer of spikes for which this is not defined."""
        if not any(isinstance(layer, Neuron) or emits_spikes(layer) for layer in model.modules()):
            met, todo = "a network without neurons", "Attack it with rule=None, its own gradient"
            raise ArgumentError(sentence(type(self).__name__, met, "a spiking network", todo))
        for name, layer in model.named_modules():
            if emits_spikes(layer) and not isinstance(layer, Neuron):
                met = f"layer {name.removeprefix('module.')} ({type(layer).__name__})"
                todo = "Attack it with rule=None, the network's own gradient, or with Square, which needs none"
                raise ArgumentError(sentence(f"{type(self).__name__}", met, "neurons with a step of their own", todo))
            if isinstance(layer, Neuron) and layer.levels is not None:
                self.check_neuron(f"layer {name.removeprefix('module.')}", layer)

    @abstractmethod
    def check_neuron(self, name: str, neuron: Neuron) -> None:
        """Raise ArgumentError if the gradient is not defined for a neuron, called `name`, e.g. "layer 2"."""

    @abstractmethod
    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        """Logits [N, K] with this gradient; see `GradientView`."""


@dataclass(frozen=True, kw_only=True)
class UnrollRule(GradientRule):
    """A gradient rule that is an unroll, so that `gradient_rule(model, rule)` takes it as well."""

    spikes_only: ClassVar[bool] = True
    """Neurons that give no spikes, such as `LI`, have a derivative, and keep it."""

    @abstractmethod
    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """State before the first step, input [T, N, *F] -> state after the last step, unit spikes [T, N, *F]."""

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        with gradient_rule(model, self):
            return run(timesteps)


@dataclass(frozen=True, kw_only=True)
class InThresholds(Surrogate):
    """A surrogate whose width is measured in thresholds: derivative(u / threshold) / threshold.

    Args:
        surrogate: for a threshold of 1.
        v_threshold: of the neurons, broadcastable to u.
    """

    surrogate: Surrogate
    v_threshold: Tensor

    def primitive(self, u: Tensor) -> Tensor:
        return self.surrogate.primitive(u / self.v_threshold)

    def derivative(self, u: Tensor) -> Tensor:
        return self.surrogate.derivative(u / self.v_threshold) / self.v_threshold


@contextmanager
def another_surrogate(neuron: Any, surrogate: Surrogate) -> Iterator[None]:
    """Within the block a neuron's spike function has another derivative, its width in units of the threshold."""
    before = neuron.spike
    neuron.spike = _in_thresholds(neuron, surrogate)
    try:
        yield
    finally:
        neuron.spike = before


@contextmanager
def surrogate_of_potentials(neuron: Any, choose: Callable[[Tensor], Surrogate]) -> Iterator[None]:
    """Within the block every step has a derivative of its own, chosen from (v - threshold) / threshold, [N, *F]."""
    before, threshold = neuron.spike, neuron.v_threshold.detach()

    def spike(u: Tensor) -> Tensor:
        surrogate = choose(u.detach() / threshold.to(u.dtype))
        return InThresholds(surrogate=surrogate, v_threshold=threshold, fires=before.fires)(u)

    neuron.spike = spike
    try:
        yield
    finally:
        neuron.spike = before


def _in_thresholds(neuron: Any, surrogate: Surrogate) -> Surrogate:
    fires, threshold = neuron.spike.fires, neuron.v_threshold.detach()
    named = replace(surrogate, fires=fires)
    plain = threshold.numel() == 1 and float(threshold) == 1.0
    return named if plain else InThresholds(surrogate=named, v_threshold=threshold, fires=fires)


def check_surrogate(who: str, surrogate: object) -> None:
    """Raise ArgumentError unless it is a surrogate."""
    if not isinstance(surrogate, Surrogate):
        raise ArgumentError(sentence(f"{who}.surrogate", repr(surrogate), "a surrogate, e.g. Triangle(gamma=1.0)"))


def check_spike(who: str, name: str, neuron: Any) -> None:
    """Raise ArgumentError unless a neuron has one threshold and a spike function with a derivative to replace."""
    known = neuron.follows_spike and isinstance(neuron.spike, Surrogate) and hasattr(neuron, "v_threshold")
    if not known:
        met, allowed = f"{name} ({type(neuron).__name__})", "neurons with a threshold, differentiated by a surrogate"
        raise ArgumentError(sentence(who, met, allowed, "Take rule=None, the network's own gradient, or BPTR"))


def threshold_of(neuron: Any, like: Tensor) -> Tensor:
    """A neuron's threshold without a gradient, in the dtype of a tensor."""
    return neuron.v_threshold.detach().to(like.dtype)


def detached_state(state: State) -> State:
    """The same state, through which no gradient passes."""
    return type(state)(*(part.detach() for part in state))


class MeanOverTime(torch.autograd.Function):
    """The identity; its gradient is averaged over the first axis, and the same at every step."""

    @staticmethod
    def forward(ctx, xs: Tensor) -> Tensor:
        return xs.view_as(xs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad.mean(0, keepdim=True).expand_as(grad)


class Sloped(torch.autograd.Function):
    """Spikes as they are; the gradient that arrives is multiplied with a slope."""

    @staticmethod
    def forward(ctx, xs: Tensor, spikes: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return spikes.view_as(spikes)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None

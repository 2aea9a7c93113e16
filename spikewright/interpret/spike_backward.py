"""Another backward pass, or another forward pass, at every spike function: guided, deconvolved, smooth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..core.layer_outputs import emits_spikes
from ..core.neuron import Neuron
from ..core.surrogate import Surrogate
from ..core.types import SpikeFn
from ..core.unroll import bptt
from ..models.classifier import Classifier


class _PositiveBackward(torch.autograd.Function):
    """The step; backwards what is positive alone, times the slope of a surrogate or as it is."""

    @staticmethod
    def forward(u: Tensor, surrogate: Surrogate, sloped: bool) -> Tensor:
        return surrogate.fires(u, 0).to(u.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        u, ctx.surrogate, ctx.sloped = inputs
        ctx.save_for_backward(u)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        (u,) = ctx.saved_tensors
        passed = grad.clamp(min=0)
        return (passed * ctx.surrogate.derivative(u) if ctx.sloped else passed), None, None


def guided(surrogate: Surrogate) -> SpikeFn:
    """Spikes as before; backwards g sigma'(u) where g > 0, else nothing.

    Source: Springenberg et al. 2015, "Striving for Simplicity", ICLR 2015 workshop, arXiv 1412.6806, section 3.4, with
        the surrogate's slope in the place of the ReLU's.

    Example:
        >>> from spikewright.core.surrogate import Rectangle
        >>> u = torch.zeros(2, requires_grad=True)
        >>> guided(Rectangle(width=2.0))(u).backward(torch.tensor([1.0, -1.0]))
        >>> u.grad
        tensor([0.5000, 0.0000])
    """
    return lambda u: _PositiveBackward.apply(u, surrogate, True)  # pyright: ignore[reportReturnType]


def deconvolved(surrogate: Surrogate) -> SpikeFn:
    """Spikes as before; backwards g where g > 0, else nothing, whatever the potential.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1.

    Example:
        >>> from spikewright.core.surrogate import Rectangle
        >>> u = torch.zeros(2, requires_grad=True)
        >>> deconvolved(Rectangle(width=2.0))(u).backward(torch.tensor([1.0, -1.0]))
        >>> u.grad
        tensor([1., 0.])
    """
    return lambda u: _PositiveBackward.apply(u, surrogate, False)  # pyright: ignore[reportReturnType]


def smooth(surrogate: Surrogate) -> SpikeFn:
    """The smooth step itself in the place of the step, so that the slope that is used is the true one."""
    return surrogate.primitive


@contextmanager
def spikes_as(network: nn.Module, spike: Callable[[Surrogate], SpikeFn]) -> Iterator[None]:
    """Within the block every neuron that spikes has another spike function, made from its own.

    A `Classifier` inside shows the network's own gradient, whatever its rule.

    Args:
        network: any network; see `unknown_spikes` for what it may hold.
        spike: `guided`, `deconvolved` or `smooth`.
    """
    neurons: list[Any] = [part for part in network.modules() if isinstance(part, Neuron) and part.levels is not None]
    classifiers = [part for part in network.modules() if isinstance(part, Classifier)]
    spikes = [(neuron.spike, neuron.unroll) for neuron in neurons]
    rules = [classifier.rule for classifier in classifiers]
    try:
        for neuron in neurons:
            neuron.spike, neuron.unroll = spike(neuron.spike), bptt
        for classifier in classifiers:
            classifier.rule = None
        yield
    finally:
        for neuron, before in zip(neurons, spikes):
            neuron.spike, neuron.unroll = before
        for classifier, rule in zip(classifiers, rules):
            classifier.rule = rule


def unknown_spikes(network: nn.Module) -> str:
    """The first layer of spikes whose spike function cannot be replaced, in words; empty if all can."""
    for name, layer in network.named_modules():
        if not emits_spikes(layer):
            continue
        who = f"layer {name} ({type(layer).__name__})"
        neuron: Any = layer
        if not isinstance(layer, Neuron) or not layer.follows_spike or not isinstance(neuron.spike, Surrogate):
            return f"{who} has no spike function of its own whose slope could be replaced"
        if min(layer.levels or (0.0,)) < 0:
            return f"{who} gives signed spikes, for which a positive gradient is not the one that speaks for them"
    return ""

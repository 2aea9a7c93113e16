"""ottt(model, decay): online learning in which weights see traces of the spikes that arrive, inside a with-block."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from numbers import Real

import torch
from torch import Tensor, nn

from .arguments import check_module
from .errors import ArgumentError, sentence
from .gradient import gradient_rule
from .neuron import Neuron
from .sliced import sltt
from .spiking import Spiking
from .temporal import fold, unfold

_SYNAPTIC = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def traces(xs: Tensor, decay: float) -> Tensor:
    """What is left of a sequence at each step: a_t = decay a_(t-1) + x_t, [T, N, ...].

    Example:
        >>> traces(torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1), 0.5).flatten()
        tensor([1.0000, 0.5000, 1.2500])
    """
    a, found = torch.zeros_like(xs[0]), []
    for x in xs:
        a = decay * a + x
        found.append(a)
    return torch.stack(found)


def before_neurons(model: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers that stand, in the order of definition, before the last layer of neurons."""
    parts = list(model.modules())
    last = max((place for place, part in enumerate(parts) if isinstance(part, Neuron)), default=0)
    return [part for part in parts[:last] if isinstance(part, _SYNAPTIC)]


@contextmanager
def ottt(model: Spiking, decay: float, layers: Collection[nn.Module] | None = None) -> Iterator[None]:
    """Online training through time: the forward pass stays as it is, gradients are found step by step.

        gradient of a weight = sum_t delta_t a_t        a_t = decay a_(t-1) + s_t, of the spikes s that arrive

    where delta is the gradient within the step alone, as in `sltt`, which all neurons use inside the block. For one
    layer of leaky neurons without a reset, it equals back-propagation through time. Layers run twice. Traces begin anew
    with every call. After the block, also after an exception, all is as before.

    Args:
        model: a spiking network.
        decay: share of the membrane potential that neurons keep per step, 0..1.
        layers: convolutions and linear layers whose weights see traces; those that feed neurons:
            `before_neurons(model)` if not given. A read-out layer behind the last neurons has no membrane and sees
            spikes.

    Raises:
        ArgumentError: for a model that is no `Spiking` network, or a decay out of range.

    Source: Xiao et al. 2022, "Online Training Through Time for Spiking Neural Networks", NeurIPS 2022, arXiv
        2210.04195. Differs: the gradients of all steps are added up before the update.

    Example:
        >>> from spikewright.neurons import LIF
        >>> model = Spiking(nn.Sequential(nn.Linear(2, 3), LIF(tau=2.0), nn.Linear(3, 2)))
        >>> with ottt(model, decay=0.6065):
        ...     model(torch.rand(4, 1, 2)).sum().backward()
    """
    check_module(model, "ottt.model")
    if not isinstance(model, Spiking):
        raise ArgumentError(sentence("ottt.model", type(model).__name__, "a Spiking network"))
    if not isinstance(decay, Real) or not 0 <= float(decay) <= 1:
        raise ArgumentError(sentence("ottt.decay", repr(decay), "a number in 0..1"))
    wanted, length = before_neurons(model) if layers is None else list(layers), []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        length[:] = [len(inputs[0])]

    def through_traces(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        (x,) = inputs
        seen = fold(traces(unfold(x.detach(), length[0]), decay)) + (x - x.detach())
        again = layer.forward(seen)  # its gradient: traces for the weight, plain for what comes before
        return output.detach() + (again - again.detach())

    with ExitStack() as stack:
        stack.enter_context(gradient_rule(model, sltt))
        stack.callback(model.register_forward_pre_hook(note).remove)
        for layer in wanted:
            stack.callback(layer.register_forward_hook(through_traces).remove)
        yield

"""gradient_rule(model, unroll) and recording(model): another unroll inside a with-block; the forward stays as it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from .arguments import check_module, named
from .errors import ArgumentError, sentence
from .neuron import Neuron
from .types import Unroll
from .unroll import Record, recorded


@contextmanager
def gradient_rule(model: nn.Module, rule: Unroll) -> Iterator[None]:
    """Run every neuron of a model by another unroll; after the block, also after an exception, the old one is back.

    Args:
        model: any module.
        rule: the unroll for all neurons; one with `spikes_only` leaves alone those without spikes, such as `LI`.

    Raises:
        ArgumentError: the rule is no unroll, or is what makes one.

    Example:
        >>> import torch
        >>> from spikewright.core import Record, Spiking, gradient_rule, recorded
        >>> from spikewright.neurons import IF
        >>> model, record = Spiking(IF()), Record()
        >>> with gradient_rule(model, recorded(record)):
        ...     _ = model(torch.full((2, 1, 1), 0.75))
        >>> record.spikes[0].flatten()
        tensor([0., 1.])
    """
    check_module(model, "gradient_rule.model")
    _check_rule(rule)
    neurons = [module for module in model.modules() if isinstance(module, Neuron)]
    if getattr(rule, "spikes_only", False):
        neurons = [neuron for neuron in neurons if neuron.levels is not None]
    before = [neuron.unroll for neuron in neurons]
    try:
        for neuron in neurons:
            neuron.unroll = rule
        yield
    finally:
        for neuron, unroll in zip(neurons, before):
            neuron.unroll = unroll


def _check_rule(rule: object) -> None:
    """Raise ArgumentError unless it can be called as an unroll is; `sliced`, for one, first needs its steps."""
    if not callable(rule):
        raise ArgumentError(sentence("gradient_rule.rule", named(rule), "an unroll, e.g. recorded(Record())"))
    try:
        signature = inspect.signature(rule)
    except ValueError:  # some built-in functions do not tell
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        name = getattr(rule, "__name__", type(rule).__name__)
        allowed = "an unroll, called as (neuron, state, xs)"
        todo = "What makes an unroll is called first, e.g. sliced(2)"
        raise ArgumentError(sentence("gradient_rule.rule", f"{name}{signature}", allowed, todo)) from None


@contextmanager
def recording(model: nn.Module) -> Iterator[dict[str, Record]]:
    """Record states and spikes of every neuron of a model inside a with-block.

    Args:
        model: any module.

    Yields:
        Neuron name -> its `Record`, to which each call adds one entry.

    Example:
        >>> import torch
        >>> from spikewright.core import Spiking, recording
        >>> from spikewright.neurons import IF
        >>> model = Spiking(IF())
        >>> with recording(model) as records:
        ...     _ = model(torch.full((2, 1, 1), 0.75))
        >>> records["module"].states[0].v.flatten()
        tensor([0.7500, 0.5000])
    """
    check_module(model, "recording.model")
    neurons = {name: module for name, module in model.named_modules() if isinstance(module, Neuron)}
    before = {name: neuron.unroll for name, neuron in neurons.items()}
    records = {name: Record() for name in neurons}
    try:
        for name, neuron in neurons.items():
            neuron.unroll = recorded(records[name])
        yield records
    finally:
        for name, neuron in neurons.items():
            neuron.unroll = before[name]

"""Two ways to count what a neuron sends: each output that is not zero as one event, or each binary spike in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.arguments import named
from ..core.errors import ArgumentError, sentence


@dataclass(frozen=True)
class Events:
    """How outputs of several sizes are counted.

    Args:
        name: its name in reports.
        note: what counts as one event, one sentence.
    """

    name: str
    note: str

    def __repr__(self) -> str:
        return self.name


per_output = Events("per_output", "an output counts as one event, whatever its size")
"""As published for differential coding: the size travels along with the event."""

per_bit = Events("per_bit", "an output counts as the binary spikes that it is sent as")
"""As published for H-MT: each of the thresholds that fire in a step is an event."""


def fires_several_bits(model: nn.Module) -> bool:
    """Whether a neuron of a model sends an output as more than one binary spike, so that the two ways differ."""
    firing: list[Any] = [part for part in model.modules() if getattr(part, "firing", None) is not None]
    return any(bool((part.firing.bits(torch.tensor(part.levels)) > 1).any()) for part in firing)


def check_events(events: object, who: str) -> None:
    """Raise ArgumentError unless it is one of the two."""
    if not isinstance(events, Events):
        raise ArgumentError(sentence(f"{who}.events", named(events), "per_output or per_bit"))


def bits_of(neuron: nn.Module, out: Tensor) -> Tensor | None:
    """The binary spikes at each place of a neuron's output; None if the neuron does not say how it sends them."""
    firing = getattr(neuron, "firing", None)
    if firing is None:
        return None
    amplitude: Tensor = neuron.amplitude  # pyright: ignore[reportAssignmentType]
    return firing.bits(out / amplitude.to(out.dtype))

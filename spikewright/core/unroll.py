"""Unrolls: how the steps of a neuron are run and differentiated. `bptt` is the plain loop that others must equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .errors import ArgumentError, sentence
from .types import State, Unroll


def bptt(neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
    """Run step after step; autograd differentiates through every one of them (back-propagation through time).

    Args:
        neuron: the neuron, whose `step` is called T times.
        state: state before the first step, parts [N, *F].
        xs: input, [T, N, *F].

    Returns:
        State after the last step, and the unit spikes, [T, N, *F].
    """
    spikes = []
    for x in xs:
        state, s = neuron.step(state, x)
        spikes.append(s)
    return state, torch.stack(spikes)


@dataclass(frozen=True)
class checkpointed:  # noqa: N801 - an unroll, like the functions beside it
    """An unroll that keeps the state only every `steps` steps and computes the rest again in the backward pass.

    Spikes, state and gradients equal `bptt`. T / steps states are kept instead of T, and what the backward pass
    needs of `steps` steps at a time; the input is kept whole.

    Args:
        steps: time steps per segment, at least 1.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174.
    """

    steps: int

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ArgumentError(sentence("checkpointed.steps", repr(self.steps), "a whole number of at least 1"))

    def __call__(self, neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps segment by segment."""
        kind, spikes = type(state), []

        def segment(part: Tensor, *parts: Tensor):
            end, s = bptt(neuron, kind(*parts), part)
            return s, *end

        for part in xs.split(self.steps):
            s, *parts = checkpoint(segment, part, *state, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
            state = kind(*parts)
            spikes.append(s)
        return state, torch.cat(spikes)


@dataclass
class Record:
    """What `recorded` saw of one neuron: per call a list entry of the state's parts and the spikes, each [T, N, *F]."""

    states: list[State] = field(default_factory=list)
    spikes: list[Tensor] = field(default_factory=list)


def recorded(store: Record | Callable[[State, Tensor], None]) -> Unroll:
    """An unroll that equals `bptt` and also hands over every state and spike.

    Args:
        store: a `Record` to fill, or a function of (state with parts [T, N, *F], spikes [T, N, *F]).
    """

    def run(neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
        kind, states, spikes = type(state), [], []
        for x in xs:
            state, s = neuron.step(state, x)
            states.append(state)
            spikes.append(s)
        trace = kind(*(torch.stack(parts) for parts in zip(*states)))
        stacked = torch.stack(spikes)
        if isinstance(store, Record):
            store.states.append(kind(*(part.detach() for part in trace)))
            store.spikes.append(stacked.detach())
        else:
            store(trace, stacked)
        return state, stacked

    return run

"""The words that every part shares: state, step, spike function, reset function, unroll; and the shape letters.

Shape letters, one meaning everywhere: T time, N batch, C channels, H W image, L tokens, D width, A attention heads,
K classes, *F any feature shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from .neuron import Neuron

State = Any
"""A NamedTuple of tensors, each [N, *F]: all that a neuron carries from one step to the next."""

SpikeFn = Callable[[Tensor], Tensor]
"""Membrane potential minus threshold -> 0 or 1, with a derivative of its own choice for the backward pass."""


class ResetFn(Protocol):
    """What firing does to the membrane potential."""

    def __call__(self, v: Tensor, s: Tensor, v_threshold: Tensor) -> Tensor:
        """Membrane potential after charging [N, *F], spikes, threshold -> membrane potential after the reset."""
        ...


class Unroll(Protocol):
    """How the steps of a neuron are run over time and differentiated."""

    def __call__(self, neuron: Neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """State before the first step, input [T, N, *F] -> state after the last step, spikes [T, N, *F]."""
        ...

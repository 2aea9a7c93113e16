"""Firing: how large a spike, of which sign, a membrane potential gives; Sign: which signs a neuron may fire."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import ArgumentError, sentence

TIE = 1e-6
"""How far below a border, in thresholds, still counts as on it: what rounding takes off a sum that lies on it."""


class Sign(enum.Enum):
    """Which spikes a neuron may fire."""

    POSITIVE = "positive"
    """Upward only: a ReLU that never takes back."""
    BUDGETED = "budgeted"
    """Downward too, but never more than was fired up before: a ReLU that takes wrong spikes back."""
    BOTH = "both"
    """Upward and downward: the identity."""


@dataclass(frozen=True, kw_only=True)
class Firing(ABC):
    """What a neuron fires at once, as a function of its membrane potential; all in units of its threshold.

    A firing function holds no state and knows no coding: rate-coded and differential neurons share it. Firing takes
    off the membrane what it delivers.
    """

    @abstractmethod
    def fire(self, v: Tensor, sign: Sign, emitted: Tensor | None = None) -> Tensor:
        """The output of one step.

        Args:
            v: membrane potential after charging, [N, *F].
            sign: which signs may be fired.
            emitted: what the neuron has fired so far, up minus down, [N, *F]; needed where the sign is BUDGETED.

        Returns:
            Spikes in units of the threshold, [N, *F].
        """

    @abstractmethod
    def start(self, sign: Sign) -> float:
        """Membrane potential before the first step."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """The largest output of a step."""

    @abstractmethod
    def steps(self, timesteps: int, sign: Sign) -> tuple[int, int, int]:
        """What the mean output over T steps can be: (n, a, b) for the whole numbers a..b of 1/n thresholds."""

    @abstractmethod
    def values(self, sign: Sign) -> tuple[float, ...]:
        """Every output that a step can have, in ascending order."""

    def bits(self, fired: Tensor) -> Tensor:
        """How many binary spikes an output is sent as, [N, *F]: one, whatever its size, unless the method says more."""
        return (fired != 0).to(fired.dtype)


def given(emitted: Tensor | None) -> Tensor:
    """What a neuron with a budget has fired so far.

    Raises:
        ArgumentError: if it was not given.
    """
    if emitted is None:
        raise ArgumentError(sentence("Firing.fire.emitted", "None", "what was fired so far", "The sign is BUDGETED"))
    return emitted


def power_of_two_below(x: Tensor) -> Tensor:
    """The largest power of two that does not exceed x, from x's exponent bits; for x below the normal numbers 0.

    Example:
        >>> power_of_two_below(torch.tensor([0.0, 0.3, 0.5, 3.0]))
        tensor([0.0000, 0.2500, 0.5000, 2.0000])
    """
    whole, exponent = _EXPONENT[x.dtype]
    return (x.contiguous().view(whole) & exponent).view(x.dtype)


_EXPONENT = {
    torch.float16: (torch.int16, 0x7C00),
    torch.bfloat16: (torch.int16, 0x7F80),
    torch.float32: (torch.int32, 0x7F800000),
    torch.float64: (torch.int64, 0x7FF0000000000000),
}


def straight_through(fired: Tensor, v: Tensor, lowest: float, highest: float) -> Tensor:
    """What was fired, with the derivative of the membrane potential itself where it is within what can be fired."""
    return _StraightThrough.apply(fired, v, lowest, highest)  # pyright: ignore[reportReturnType]


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(fired: Tensor, v: Tensor, lowest: float, highest: float) -> Tensor:
        return fired.clone()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, v, lowest, highest = inputs
        ctx.save_for_backward((v >= lowest) & (v <= highest))

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        (within,) = ctx.saved_tensors
        return None, grad * within, None, None

"""What firing does to the membrane potential: subtract the threshold, go to zero, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .arguments import named
from .errors import ArgumentError, sentence
from .types import ResetFn


def subtract(v: Tensor, s: Tensor, v_threshold: Tensor) -> Tensor:
    """Take the threshold off once per spike: what is above the threshold is kept ("soft reset").

    Args:
        v: membrane potential after charging, [N, *F].
        s: spikes, [N, *F]; a number other than 0 or 1 takes that many thresholds off.
        v_threshold: threshold, broadcastable to v, in the unit of v.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks", Frontiers in Neuroscience 11:682.

    Example:
        >>> import torch
        >>> subtract(torch.tensor([1.5]), torch.ones(1), torch.tensor(1.0))
        tensor([0.5000])
    """
    return v - s * v_threshold


def to_zero(v: Tensor, s: Tensor, v_threshold: Tensor) -> Tensor:
    """Set the potential to zero where a spike was fired ("hard reset"); the gradient passes through the spike.

    Example:
        >>> import torch
        >>> to_zero(torch.tensor([1.5, 0.5]), torch.tensor([1.0, 0.0]), torch.tensor(1.0))
        tensor([0.0000, 0.5000])
    """
    return v * (1 - s)


def none(v: Tensor, s: Tensor, v_threshold: Tensor) -> Tensor:
    """Leave the potential as it is: for read-out neurons and for studies without a reset."""
    return v


@dataclass(frozen=True)
class detached:  # noqa: N801 - stands where the functions above stand
    """A reset whose forward pass is that of another, and through which no gradient reaches the spikes.

    Args:
        reset: `subtract`, `to_zero` or `none`.

    Source: Zenke and Vogels 2021, "The Remarkable Robustness of Surrogate Gradient Learning", Neural Computation 33(4),
        section 2: with the gradient through the reset networks of several layers learn worse.

    Example:
        >>> import torch
        >>> v, s = torch.tensor([1.5], requires_grad=True), torch.ones(1, requires_grad=True)
        >>> detached(subtract)(v, s, torch.tensor(1.0)).backward()
        >>> v.grad, s.grad
        (tensor([1.]), None)
    """

    reset: ResetFn

    def __post_init__(self) -> None:
        if not callable(self.reset) or isinstance(self.reset, type):
            raise ArgumentError(sentence("detached.reset", named(self.reset), "a reset function: subtract"))

    def __call__(self, v: Tensor, s: Tensor, v_threshold: Tensor) -> Tensor:
        """As the other reset, with the spikes taken as they are."""
        return self.reset(v, s.detach(), v_threshold)


def forward_of(reset: ResetFn) -> ResetFn:
    """The reset that says what happens in the forward pass."""
    return reset.reset if isinstance(reset, detached) else reset

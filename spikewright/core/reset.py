"""What firing does to the membrane potential: subtract the threshold, go to zero, or nothing."""

from __future__ import annotations

from torch import Tensor


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

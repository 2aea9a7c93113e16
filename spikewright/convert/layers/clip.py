"""Clipped ReLU: a ReLU with a trained upper bound, which becomes the threshold of a neuron."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence


def clipped_relu(z: Tensor, v_threshold: Tensor) -> Tensor:
    """The activation's value, a = min(max(z, 0), v_threshold), with gradients for both.

        da/dz = 1 for 0 < z < v_threshold, else 0        da/dv_threshold = 1 for z >= v_threshold, else 0

    so z da/dz + v_threshold da/dv_threshold = a everywhere.

    Args:
        z: pre-activation, any shape; it is not written to.
        v_threshold: bound above 0, broadcastable to z.

    Example:
        >>> clipped_relu(torch.tensor([-1.0, 0.5, 2.0, 3.0]), torch.tensor(2.0))
        tensor([0.0000, 0.5000, 2.0000, 2.0000])
    """
    # torch.minimum would halve the gradient at z = v_threshold, and clamp pass it at z = 0
    return torch.where(z >= v_threshold, v_threshold.to(z.dtype), z.relu())


class ClippedReLU(nn.Module):
    """A ReLU with a trained upper bound, to be trained in place of a ReLU.

    What a neuron with this threshold delivers on average tends to it as T grows, so that nothing is lost by clipping.

    Args:
        v_threshold: start value of the bound, above 0, in units of the activation; the neuron's threshold later.

    Source: Ho and Chang 2021, "TCL: an ANN-to-SNN Conversion with Trainable Clipping Layers", DAC 2021; used by Bu et
        al. 2022, AAAI 2022, arXiv 2202.01440, whose authors' code starts at 4.

    Example:
        >>> ClippedReLU(v_threshold=1.0)(torch.tensor([0.25, 3.0])).detach()
        tensor([0.2500, 1.0000])
    """

    def __init__(self, *, v_threshold: float = 4.0) -> None:
        super().__init__()
        if not 0 < v_threshold < float("inf"):
            raise ArgumentError(sentence("ClippedReLU.v_threshold", repr(v_threshold), "a finite number above 0"))
        self.v_threshold = nn.Parameter(torch.tensor(float(v_threshold)))

    def forward(self, z: Tensor) -> Tensor:
        """Pre-activation, any shape -> activation in 0..bound, same shape."""
        return clipped_relu(z, self.v_threshold)

    def extra_repr(self) -> str:
        return f"v_threshold={self.v_threshold.item():.4g}"

"""QCFS: the quantisation clip-floor-shift activation, whose value is the mean output of an IF neuron over L steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence


@dataclass(frozen=True)
class GradientOrder:
    """Where the straight-through gradient of QCFS passes; the forward value is the same for all.

    Args:
        name: the name in configs and reports.
        window: (z, v_threshold, L) -> True where the gradient passes.
    """

    name: str
    window: Callable[[Tensor, Tensor, int], Tensor]

    def __repr__(self) -> str:
        return self.name


floor_then_clamp = GradientOrder(
    "floor_then_clamp",
    lambda z, v_threshold, levels: (z >= -v_threshold / (2 * levels)).logical_and_(
        z < v_threshold + v_threshold / (2 * levels)
    ),
)
"""clip(floor(.)): gradient for -1/(2L) <= z/threshold < 1 + 1/(2L). The authors' first code, SRP and COS."""

clamp_then_floor = GradientOrder(
    "clamp_then_floor", lambda z, v_threshold, levels: (z >= 0).logical_and_(z <= v_threshold)
)
"""floor(clip(.)): gradient for 0 <= z <= threshold. The authors' second code."""


def qcfs(z: Tensor, v_threshold: Tensor, levels: int) -> Tensor:
    """The activation's value, a = v_threshold * clip(floor(L z / v_threshold + 1/2), 0, L) / L.

    Args:
        z: pre-activation, any shape.
        v_threshold: threshold above 0 (the paper's lambda), broadcastable to z.
        levels: L.

    Example:
        >>> qcfs(torch.tensor([-1.0, 0.125, 0.3, 9.0]), torch.tensor(1.0), 4)
        tensor([0.0000, 0.2500, 0.2500, 1.0000])
    """
    # each product is made before its division, so that ties stay ties, and the top level the threshold, for every L
    rounded = z.mul(levels).div_(v_threshold).add_(0.5).floor_()
    return rounded.clamp_(0, levels).mul_(v_threshold).div_(levels)


class _QCFS(torch.autograd.Function):
    """`qcfs` with the straight-through gradient of an order.

    Inside the window da/dz = 1 and da/dthreshold = (a - z)/threshold; above it 0 and 1; below it 0 and 0. So
    z da/dz + threshold da/dthreshold = a everywhere, which gives the threshold's gradient without a region of its own.
    """

    @staticmethod
    def forward(z: Tensor, v_threshold: Tensor, levels: int, order: GradientOrder) -> Tensor:
        return qcfs(z, v_threshold, levels)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        z, v_threshold, ctx.levels, ctx.order = inputs
        ctx.save_for_backward(z, v_threshold, output)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        z, v_threshold, a = ctx.saved_tensors
        grad_z = grad * ctx.order.window(z, v_threshold, ctx.levels)
        grad_threshold = (grad * a).addcmul_(grad_z, z, value=-1).sum() / v_threshold
        return grad_z, grad_threshold, None, None


class QCFSActivation(nn.Module):
    """The QCFS activation with a trained threshold, to be trained in place of a ReLU.

    Its value for an input z is what an IF neuron that starts at half its threshold delivers on average over L steps
    of constant input z.

    Args:
        levels: L, whole number of at least 1.
        v_threshold: start value of the threshold (the paper's lambda), above 0, in units of the activation.
        order: `floor_then_clamp` or `clamp_then_floor`: same value, different window of the gradient.

    Source: Bu et al. 2022, "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural
        Networks", ICLR 2022, arXiv 2303.04347, eq. 15 and 18; start value 8.0 from the authors' code.
        Differs: the gradient is autograd's (the authors confirm it), not the conference version's eq. 19.

    Example:
        >>> QCFSActivation(levels=4, v_threshold=1.0)(torch.tensor([0.125, 0.3])).detach()
        tensor([0.2500, 0.2500])
    """

    def __init__(self, *, levels: int, v_threshold: float = 8.0, order: GradientOrder = floor_then_clamp) -> None:
        super().__init__()
        if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
            raise ArgumentError(sentence("QCFSActivation.levels", repr(levels), "a whole number of at least 1"))
        if not 0 < v_threshold < float("inf"):
            raise ArgumentError(sentence("QCFSActivation.v_threshold", repr(v_threshold), "a finite number above 0"))
        self.levels = levels
        self.order = order
        self.v_threshold = nn.Parameter(torch.tensor(float(v_threshold)))

    def forward(self, z: Tensor) -> Tensor:
        """Pre-activation, any shape -> activation on L + 1 levels 0..threshold, same shape."""
        return _QCFS.apply(z, self.v_threshold, self.levels, self.order)  # pyright: ignore[reportReturnType]

    def extra_repr(self) -> str:
        return f"levels={self.levels}, v_threshold={self.v_threshold.item():.4g}, order={self.order.name}"

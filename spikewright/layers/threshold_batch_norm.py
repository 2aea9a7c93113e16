"""threshold_batch_norm: batch norm over time and batch whose output begins as wide as the threshold that follows."""

from __future__ import annotations

from numbers import Real

from torch import nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence

_NORMS = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def threshold_batch_norm(
    features: int,
    *,
    axes: int = 2,
    v_threshold: float = 1.0,
    alpha: float = 1.0,
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d:
    """Threshold-dependent batch norm: mean and variance per channel over time, batch and places.

        y = gamma (x - mean) / sqrt(variance + eps) + beta        gamma = alpha v_threshold, beta = 0 at the beginning

    It is torch's batch norm with this start, as time is in the batch inside `Spiking`: it folds into the weights before
    it and converts, exports and counts like any other.

    Args:
        features: channels, at least 1.
        axes: of one image behind the channels: 2 for images, 0 for linear layers.
        v_threshold: threshold of the neurons behind it, above 0.
        alpha: 1; 1 / sqrt(2) where two such norms are added up, as at the end of a residual block.
        eps, momentum: as in torch.

    Raises:
        ArgumentError: for a number out of range.

    Source: Zheng et al. 2021, "Going Deeper With Directly-Trained Larger Spiking Neural Networks", AAAI 35(12), tdBN.
        Differs: alpha v_threshold is the start of the trained scale, there a factor beside it, which starts at 1; the
        scale's steps differ by the square of that factor.

    Example:
        >>> threshold_batch_norm(2, v_threshold=0.5).weight.tolist()
        [0.5, 0.5]
    """
    check_whole("threshold_batch_norm.features", features, least=1)
    check_whole("threshold_batch_norm.axes", axes, least=0, most=3)
    for name, value in (("v_threshold", v_threshold), ("alpha", alpha)):
        if not isinstance(value, Real) or not 0 < float(value) < float("inf"):
            raise ArgumentError(sentence(f"threshold_batch_norm.{name}", repr(value), "a finite number above 0"))
    norm = _NORMS[axes](features, eps=eps, momentum=momentum)
    nn.init.constant_(norm.weight, alpha * v_threshold)
    return norm

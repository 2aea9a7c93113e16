"""TEBN: batch norm over time and batch, whose output every time step scales by a trained number of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .step_count import StepCount


def scaled_by_step(xs: Tensor, scale: Tensor) -> Tensor:
    """Every step of a sequence times its number: [T, N, C, *S] and [T] -> [T, N, C, *S].

    Example:
        >>> scaled_by_step(torch.ones(2, 1, 1), torch.tensor([1.0, 3.0])).flatten()
        tensor([1., 3.])
    """
    return xs * scale.view(-1, *[1] * (xs.dim() - 1))


class TEBN(StepCount):
    """Temporal effective batch norm:

        y_t = p_t (gamma (x_t - mean) / sqrt(variance + eps) + beta)

    with mean and variance per channel over time, batch and places; gamma, beta and p are trained, p from 1 on.

    Args:
        features: channels, at least 1.
        steps: T of the training, at least 1; later sequences may be shorter, not longer.
        eps, momentum: as in torch's batch norms.

    Source: Duan et al. 2022, "Temporal Effective Batch Normalization in Spiking Neural Networks", NeurIPS 2022.

    Example:
        >>> norm = TEBN(2, steps=4).eval()
        >>> norm.over_time(torch.ones(4, 1, 2)).round(decimals=3)[:, 0, 0]
        tensor([1., 1., 1., 1.], grad_fn=...)
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, *, steps: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(features, steps)
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.p = nn.Parameter(torch.ones(steps))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """[T, N, C, *S] -> [T, N, C, *S].

        Raises:
            ShapeError: for other channels, or more steps than the layer was made for.
        """
        start = self.begins_at(xs)
        normed = F.batch_norm(
            xs.flatten(0, 1), self.mean, self.variance, self.gamma, self.beta, self.training, self.momentum, self.eps
        )
        return scaled_by_step(normed.view_as(xs), self.p[start : start + len(xs)])

"""BNTT: batch norm in which every time step has statistics and a scale of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .step_count import StepCount, over_channels


class BNTT(StepCount):
    """Batch norm through time: every step has its own mean, variance and scale; there is no shift.

        y_t = gamma_t (x_t - mean_t) / sqrt(variance_t + eps)

    Args:
        features: channels, at least 1.
        steps: T of the training, at least 1; later sequences may be shorter, not longer.
        eps, momentum: as in torch's batch norms.

    Source: Kim and Panda 2021, "Revisiting Batch Normalization for Training Low-Latency Deep Spiking Neural Networks
        From Scratch", Frontiers in Neuroscience 15:773954.

    Example:
        >>> BNTT(2, steps=4).mean.shape
        torch.Size([4, 2])
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, *, steps: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(features, steps)
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(steps, features))
        self.register_buffer("mean", torch.zeros(steps, features))
        self.register_buffer("variance", torch.ones(steps, features))

    def over_time(self, xs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """[T, N, C, *S] -> [T, N, C, *S].

        Raises:
            ShapeError: for other channels, or more steps than the layer was made for.
        """
        start = self.begins_at(xs)
        steps = slice(start, start + len(xs))
        mean, variance = self.mean[steps].unsqueeze(1), self.variance[steps].unsqueeze(1)
        if self.training:
            others = (1, *range(3, xs.dim()))  # all axes but time and channels
            mean, variance = xs.mean(others, keepdim=True), xs.var(others, unbiased=False, keepdim=True)
            count = xs[:, :, 0].numel() // len(xs)
            with torch.no_grad():
                flat = (len(xs), self.features)
                self.mean[steps].lerp_(mean.view(flat), self.momentum)
                self.variance[steps].lerp_(variance.view(flat) * count / max(count - 1, 1), self.momentum)
        else:
            mean, variance = over_channels(mean, xs), over_channels(variance, xs)
        gamma = over_channels(self.gamma[steps].unsqueeze(1), xs)
        return gamma * (xs - mean) / (variance + self.eps).sqrt()

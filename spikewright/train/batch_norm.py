"""Batch norm over all processes: statistics and gradients of the whole batch, on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import ShapeError, sentence
from ..core.processes import Processes, of_each, together


class SharedNormalisation(torch.autograd.Function):
    """x [N, C, ...] of this process -> x normalised by mean and variance of each channel over all processes.

        y = (x - mean) / sqrt(variance + eps)
        dx = (dy - mean(dy) - y mean(dy y)) / sqrt(variance + eps)

    with all means over all processes: also those of the gradient, which is that of the sum of their losses.

    Source: Ioffe and Szegedy 2015, "Batch Normalization", ICML 2015, arXiv 1502.03167, algorithm 1 and section 3.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, processes: Processes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalised x, mean [C], variance [C], and the number of values of a channel."""
        count, mean, variance = shared_moments(x, processes)
        scale = (variance + eps).rsqrt()
        y = ((x.to(mean.dtype) - _broadcast(mean, x)) * _broadcast(scale, x)).to(x.dtype)
        ctx.save_for_backward(y, scale, count)
        ctx.processes = processes
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Gradient of x."""
        y, scale, count = ctx.saved_tensors
        dy, wide = gradients[0].to(scale.dtype), y.to(scale.dtype)
        sums = together(torch.stack((_channel_sum(dy), _channel_sum(dy * wide))), ctx.processes) / count
        dx = (dy - _broadcast(sums[0], y) - wide * _broadcast(sums[1], y)) * _broadcast(scale, y)
        return dx.to(y.dtype), None, None


def shared_moments(x: Tensor, processes: Processes | None) -> tuple[Tensor, Tensor, Tensor]:
    """Number of values, mean and variance of each channel over all processes, pooled without loss (Chan et al.).

    Args:
        x: [N, C, ...] of this process; any N, also 0.
        processes: who takes part.

    Returns:
        Count [], mean [C], biased variance [C], in float32 or finer.

    Example:
        >>> [part.tolist() for part in shared_moments(torch.tensor([[0.0], [2.0]]), None)]
        [2.0, [1.0], [1.0]]
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    own = x.numel() // x.shape[1]
    mean = _channel_sum(wide) / max(own, 1)
    squares = _channel_sum((wide - _broadcast(mean, x)).square())
    parts = of_each(torch.cat((mean.new_tensor([own]), mean, squares)), processes)
    counts, means, squares = parts[:, :1], *parts[:, 1:].chunk(2, 1)
    count = counts.sum()
    pooled = (counts * means).sum(0) / count
    variance = (squares + counts * (means - pooled).square()).sum(0) / count
    return count, pooled, variance


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Any batch norm of torch, with the statistics of all processes while it is trained."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        y, mean, variance, count = SharedNormalisation.apply(input, self.eps, self.processes)  # pyright: ignore
        if count < 2:
            raise ShapeError(sentence("batch norm", "one value of a channel in all processes", "at least two"))
        self._track(mean, variance * count / (count - 1))
        if self.weight is not None:
            y = y * _broadcast(self.weight, y) + _broadcast(self.bias, y)
        return y.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _Shared1d(_SharedBatchNorm, nn.BatchNorm1d):
    pass


class _Shared2d(_SharedBatchNorm, nn.BatchNorm2d):
    pass


class _Shared3d(_SharedBatchNorm, nn.BatchNorm3d):
    pass


_SHARED = {nn.BatchNorm1d: _Shared1d, nn.BatchNorm2d: _Shared2d, nn.BatchNorm3d: _Shared3d}


@contextmanager
def shared_batch_norm(model: nn.Module, processes: Processes) -> Iterator[None]:
    """Within the block the batch norms of a model take the statistics of all processes when they are trained.

    Parameters, buffers, their names and places in the model stay as they are. `torch.nn.SyncBatchNorm` does the same on
    GPUs alone.

    Args:
        model: the network; batch norms of other classes than torch's stay as they are.
        processes: who takes part; one alone changes nothing.
    """
    several = processes.world_size > 1
    found = [(part, type(part)) for part in model.modules() if several and type(part) in _SHARED]
    for part, kind in found:
        part.__dict__["processes"] = processes
        part.__class__ = _SHARED[kind]
    try:
        yield
    finally:
        for part, kind in found:
            part.__class__ = kind
            del part.__dict__["processes"]


def _broadcast(channels: Tensor, x: Tensor) -> Tensor:
    return channels.view(1, -1, *[1] * (x.dim() - 2))


def _channel_sum(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1).sum(1)

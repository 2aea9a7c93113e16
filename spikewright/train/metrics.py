"""What a read-out of values is judged by, sample by sample: PSNR, root mean square and mean absolute error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """A number for each sample, made of a network's values and those wanted; its mean over samples is what counts.

    Args:
        name, unit: as in tables.
        of: values [N, *F] and targets of the same shape -> [N].
        digits: places behind the point in tables.
    """

    name: str
    unit: str
    of: Callable[[Tensor, Tensor], Tensor]
    digits: int = 2


def psnr(values: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of images in [0, 1], in dB: [N, *F] -> [N]; infinite where they are equal.

        -10 log10 of the mean squared error

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 1, 2, 2), 0.6), torch.full((1, 1, 2, 2), 0.5))
        tensor([20.0000])
    """
    return -10 * _squared(values, targets).log10()


def rms_error(values: Tensor, targets: Tensor) -> Tensor:
    """Root mean square error of each sample, [N, *F] -> [N].

    Example:
        >>> import torch
        >>> rms_error(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
        tensor([3.])
    """
    return _squared(values, targets).sqrt()


def absolute_error(values: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error of each sample, [N, *F] -> [N].

    Example:
        >>> import torch
        >>> absolute_error(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        tensor([2.])
    """
    return (values - targets).abs().reshape(len(values), -1).mean(1)


def _squared(values: Tensor, targets: Tensor) -> Tensor:
    return (values - targets).square().reshape(len(values), -1).mean(1)


PSNR = Metric("PSNR", "dB", psnr)
RMSE = Metric("RMSE", "", rms_error, 4)
MAE = Metric("MAE", "", absolute_error, 4)

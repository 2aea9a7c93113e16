"""Network output over time to values: mean, last, running mean, largest membrane potential."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.temporal import check_sequence


def mean(xs: Tensor) -> Tensor:
    """Mean over time: [T, N, K] -> [N, K]; the firing rate, times amplitude, if xs are spikes.

    NaN stays NaN in this and all other read-outs.

    Raises:
        ShapeError: if xs is no floating-point [T, N, ...] with T >= 1 and N >= 1.

    Source: Rueckauer et al. 2017, Frontiers in Neuroscience 11:682.

    Example:
        >>> mean(torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]))
        tensor([[0.5000, 0.0000]])
    """
    check_sequence(xs, "mean")
    return xs.mean(0)


def last(xs: Tensor) -> Tensor:
    """Output of the last step: [T, N, K] -> [N, K]; for leaky integrators, which remember the steps before.

    Raises:
        ShapeError: if xs is no floating-point [T, N, ...] with T >= 1 and N >= 1.

    Source: Eshraghian et al. 2023, Proceedings of the IEEE 111(9), membrane read-out at the last step.

    Example:
        >>> last(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))
        tensor([[0., 2.]])
    """
    check_sequence(xs, "last")
    return xs[-1]


def running_mean(xs: Tensor) -> Tensor:
    """Mean over the steps so far: [T, N, K] -> [T, N, K]; entry t is the mean of a run of t + 1 steps.

    Raises:
        ShapeError: if xs is no floating-point [T, N, ...] with T >= 1 and N >= 1.

    Source: Rueckauer et al. 2017, Frontiers in Neuroscience 11:682, accuracy at every step of one run.

    Example:
        >>> running_mean(torch.tensor([1.0, 0.0, 2.0]).view(3, 1, 1)).flatten()
        tensor([1.0000, 0.5000, 1.0000])
    """
    check_sequence(xs, "running_mean")
    wide = torch.promote_types(xs.dtype, torch.float32)  # half precision cannot count beyond 256 or 2048
    steps = torch.arange(1, len(xs) + 1, device=xs.device, dtype=wide).view(-1, *[1] * (xs.dim() - 1))
    return (xs.cumsum(0, dtype=wide) / steps).to(xs.dtype)


def max_membrane(xs: Tensor) -> Tensor:
    """Largest value over time: [T, N, K] -> [N, K]; for membrane potentials of leaky integrators (`LI`).

    Raises:
        ShapeError: if xs is no floating-point [T, N, ...] with T >= 1 and N >= 1.

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking
        Neural Networks", IEEE TNNLS 33(7), maximum-over-time read-out.

    Example:
        >>> max_membrane(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))
        tensor([[1., 2.]])
    """
    check_sequence(xs, "max_membrane")
    return xs.amax(0)

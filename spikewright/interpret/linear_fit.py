"""The two small fits behind LIME and KernelSHAP, in torch: weighted least squares, and the same with an L1 penalty."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 2000
TOLERANCE = 1e-9


def least_squares(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The coefficients b of min sum_i w_i (y_i - c - x_i b)^2, with an intercept c of its own, [M].

    Args:
        x: [n, M].
        y: [n].
        w: weights [n], at least 0.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> least_squares(x, torch.tensor([1.0, 3.0, 5.0]), torch.ones(3))
        tensor([2.])
    """
    root = w.double().sqrt()[:, None]
    design = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64, device=x.device)], 1)
    solution = torch.linalg.lstsq(
        (root * design).cpu(), root.cpu() * y.double().cpu()[:, None], driver="gelsd"
    ).solution
    return solution[:-1, 0].to(x.device, torch.float32)


def lasso(x: Tensor, y: Tensor, w: Tensor, alpha: float) -> Tensor:
    """The coefficients b of min sum_i w_i (y_i - c - x_i b)^2 / (2 sum w) + alpha |b|_1, [M].

    Args:
        x: [n, M].
        y: [n].
        w: weights [n], at least 0.
        alpha: of the penalty, in the unit of y.

    Source: Beck and Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding Algorithm", SIAM J. Imaging Sciences 2(1).

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> lasso(x, torch.tensor([0.0, 2.0]), torch.ones(2), alpha=0.1)
        tensor([1.6000])
    """
    share = w.double() / w.double().sum()
    x, y = x.double(), y.double()
    x, y = x - share @ x, y - share @ y
    curve, pull = x.T @ (share[:, None] * x), x.T @ (share * y)
    step = 1 / float(torch.linalg.eigvalsh(curve.cpu())[-1].clamp(min=1e-12))
    b = ahead = torch.zeros_like(pull)
    pace = 1.0
    for _ in range(STEPS):
        moved = ahead - step * (curve @ ahead - pull)
        new = moved.sign() * (moved.abs() - step * alpha).clamp(min=0)
        faster = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = new + (pace - 1) / faster * (new - b)
        done = float((new - b).abs().amax()) <= TOLERANCE * max(float(new.abs().amax()), 1e-30)
        b, pace = new, faster
        if done:
            break
    return b.float()

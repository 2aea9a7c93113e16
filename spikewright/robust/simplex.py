"""Simplex: the weights of a convex combination stay one while they are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models.convex_sum import ConvexSum


def onto_simplex(a: Tensor) -> Tensor:
    """The nearest point of the simplex {a >= 0, sum a = 1}, for vectors [..., K]:

        alpha = a sorted from the largest on;  k = the largest j with 1 + j alpha_j > alpha_1 + ... + alpha_j
        g = (alpha_1 + ... + alpha_k - 1) / k;  a' = max(a - g, 0)

    Source: Held, Wolfe and Crowder 1974, "Validation of Subgradient Optimization", Mathematical Programming 6; for
        residual sums Cisse et al. 2017, "Parseval Networks", ICML 2017, arXiv 1704.08847, algorithm 1.

    Example:
        >>> onto_simplex(torch.tensor([0.7, 0.6]))
        tensor([0.5500, 0.4500])
    """
    alpha = a.sort(dim=-1, descending=True).values
    places = torch.arange(1, a.shape[-1] + 1, dtype=a.dtype, device=a.device)
    sums = alpha.cumsum(-1)
    k = (1 + places * alpha > sums).sum(-1, keepdim=True)  # holds for 1..k and for none behind
    g = (sums.gather(-1, k - 1) - 1) / k
    return (a - g).clamp(min=0)


@torch.no_grad()
def keep_convex(model: nn.Module, lr: float) -> None:
    """What `fit` calls after each update: the weights of every `ConvexSum` go back onto the simplex.

    Source: Cisse et al. 2017, "Parseval Networks", ICML 2017, arXiv 1704.08847, section 4.3; for spiking networks Ding
        et al. 2022, "SNN-RAT", NeurIPS 2022.

    Example:
        >>> join = ConvexSum()
        >>> _ = join.weights.data.copy_(torch.tensor([1.9, -0.4]))
        >>> keep_convex(join, 0.1)
        >>> join.weights.data
        tensor([1., 0.])
    """
    for part in model.modules():
        if isinstance(part, ConvexSum):
            part.weights.copy_(onto_simplex(part.weights))

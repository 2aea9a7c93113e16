"""What pictures are judged by while they are made: logits, total variation, disguise, entropy, diversity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def toward(logits: Tensor, target: int, count: int) -> Tensor:
    """Cross-entropy with the target, averaged over the images of each picture.

    Args:
        logits: [C * B, K], those of the first picture first.
        target: the class.
        count: C.

    Returns:
        [C].

    Example:
        >>> toward(torch.zeros(4, 2), 1, 2)
        tensor([0.6931, 0.6931])
    """
    labels = torch.full((len(logits),), target, device=logits.device)
    return F.cross_entropy(logits, labels, reduction="none").view(count, -1).mean(1)


def total_variation(x: Tensor) -> Tensor:
    """Mean over channels and pixels of |difference to the next pixel|, down plus right, [N].

    The published sums grow with the number of pixels; this mean times 3 h w is about the sum.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
        tensor([1.])
    """
    down, right = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    return down.abs().mean((1, 2, 3)) + right.abs().mean((1, 2, 3))


def entropy(logits: Tensor) -> Tensor:
    """Entropy of softmax(logits) in nats, [N].

    Example:
        >>> entropy(torch.zeros(1, 2))
        tensor([0.6931])
    """
    log = logits.log_softmax(1)
    return -(log.exp() * log).sum(1)


def confidence(logits: Tensor, target: int, count: int) -> Tensor:
    """Mean softmax of the target over the images of each picture, [C]."""
    return logits.softmax(1)[:, target].view(count, -1).mean(1)


def spread(features: Tensor) -> Tensor:
    """Mean over pairs of 1 - cosine, a number; 0 for one row.

    Args:
        features: [N, D].

    Example:
        >>> spread(torch.eye(2))
        tensor(1.)
    """
    if len(features) < 2:
        return features.new_zeros(())
    unit = F.normalize(features, dim=1)
    upper = torch.triu_indices(len(unit), len(unit), 1, device=unit.device)
    return 1 - (unit @ unit.T)[upper[0], upper[1]].mean()

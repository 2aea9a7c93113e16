"""Objectives: logits and labels -> a number per sample that an untargeted attack makes large."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..core.errors import ArgumentError, sentence

Objective = Callable[[Tensor, Tensor], Tensor]
"""Logits [N, K] and classes [N] -> [N]; larger is farther from that class."""


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(z)_y, [N].

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.6931])
    """
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max_{i != y} z_i - z_y, [N]: above 0 exactly where the class is wrong.

    Source: Carlini and Wagner 2017, "Towards Evaluating the Robustness of Neural Networks", IEEE S&P 2017,
        arXiv 1608.04644, objective f6, without its bound.

    Example:
        >>> import torch
        >>> margin(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([1]))
        tensor([-1.])
    """
    own = logits.gather(1, y[:, None])[:, 0]
    rivals = logits.scatter(1, y[:, None], float("-inf"))
    return rivals.amax(1) - own


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """Difference of logits ratio, [N]: the margin in units of a gap between the largest logits, free of scale.

        -(z_y - max_{i != y} z_i) / (z_1 - z_3 + 1e-12)        with z_1 >= z_2 >= z_3 the sorted logits

    Raises:
        ArgumentError: for fewer than three classes.

    Source: Croce and Hein 2020, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
        Parameter-free Attacks", ICML 2020, arXiv 2003.01690, eq. 6.

    Example:
        >>> import torch
        >>> dlr(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([1]))
        tensor([-0.5000])
    """
    if logits.shape[1] < 3:
        todo = "Take margin or cross_entropy"
        raise ArgumentError(sentence("dlr", f"{logits.shape[1]} classes", "at least three", todo))
    largest = logits.sort(dim=1, descending=True).values
    return margin(logits, y) / (largest[:, 0] - largest[:, 2] + 1e-12)


OBJECTIVES: dict[str, Objective] = {"cross_entropy": cross_entropy, "margin": margin, "dlr": dlr}

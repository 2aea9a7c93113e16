"""descend(...): Adam on a batch of pictures at once, each with a loss of its own, with guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...core.errors import DataError, sentence
from .victim import Victim


def descend(
    victim: Victim,
    groups: Sequence[dict[str, Any]],
    steps: int,
    loss: Callable[[int], Tensor],
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Tensor:
    """Minimise losses that do not share parameters; their sum gives each its own gradient, so one batch does for all.

    Args:
        victim: whose gradients are watched.
        groups: parameter groups of Adam, each with its `lr`.
        steps: number of updates.
        loss: number of the step -> losses [C].
        betas, eps: of Adam.

    Returns:
        The mean loss of every step, [steps].

    Raises:
        DataError: if a loss is not finite.
        ArgumentError: if no gradient comes back from the network.
    """
    optimiser = torch.optim.Adam(list(groups), betas=betas, eps=eps)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    means = []
    for step in range(steps):
        each = loss(step)
        means.append(float(each.detach().mean()))
        if not torch.isfinite(each).all():
            raise DataError(
                sentence(victim.who, f"a loss of {means[-1]:g} in step {step}", "finite losses", "Lower lr")
            )
        gradients = torch.autograd.grad(each.sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        victim.check_gradient()
        optimiser.step()
    return torch.tensor(means)

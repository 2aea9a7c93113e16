"""adam(): the optimiser of all networks here; descend(): one step of it. Both can be recorded in a CUDA graph."""

from __future__ import annotations

from torch import Tensor, autograd, nn, optim

from ..core.device import device_of


def adam(network: nn.Module, lr: float) -> optim.Optimizer:
    """Adam for a network, where the network is; on a GPU its count of steps is kept there, too.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv 1412.6980.

    Example:
        >>> adam(nn.Linear(2, 1), 0.1).defaults["lr"]
        0.1
    """
    found = optim.Adam(network.parameters(), lr, fused=True, capturable=device_of(network).type == "cuda")
    found.__dict__["_warned_capturable_if_run_uncaptured"] = True  # its first steps are, on purpose
    return found


def descend(optimizer: optim.Optimizer, loss: Tensor) -> None:
    """One step of an optimiser down a loss; gradients of what it does not move are not computed.

    Example:
        >>> import torch
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = layer.weight.data.fill_(2.0)
        >>> descend(optim.SGD(layer.parameters(), 0.5), layer(torch.ones(1, 1)).sum())
        >>> layer.weight.item()
        1.5
    """
    moved = [value for group in optimizer.param_groups for value in group["params"]]
    for value, gradient in zip(moved, autograd.grad(loss, moved, allow_unused=True)):
        value.grad = gradient
    optimizer.step()
    for value in moved:
        value.grad = None

"""A neuron's constant, given as a number or tensor, becomes a buffer or a parameter: always a fresh tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def param(value: float | Tensor, *, learn: bool = False) -> Tensor | nn.Parameter:
    """Copy a constant into a tensor of its own, trainable or not.

    Args:
        value: number or tensor, any shape.
        learn: whether the constant is trained.

    Returns:
        A parameter if it is trained, else a plain tensor. Never shares storage with `value`.

    Example:
        >>> param(0.5)
        tensor(0.5000)
    """
    if isinstance(value, Tensor):
        fresh = value.detach().clone()
        fresh = fresh if fresh.is_floating_point() else fresh.to(torch.get_default_dtype())
    else:
        fresh = torch.tensor(float(value))
    return nn.Parameter(fresh) if learn else fresh


def hold(module: nn.Module, name: str, value: float | Tensor, *, learn: bool = False) -> None:
    """Give a module a constant: a parameter when it is trained, else a buffer, so `state_dict` and `.to()` see it."""
    tensor = param(value, learn=learn)
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)

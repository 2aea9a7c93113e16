"""is_one(value): whether a constant is the number 1, found out once and not at every call."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_FOUND = WeakTensorKeyDictionary()
"""Constant -> its version when it was looked at, and what it was."""


def is_one(value: Tensor) -> bool:
    """Whether a constant that nobody trains is one number, 1: then multiplying with it may be left out.

    A constant on a GPU is waited for when it is new or has changed, and at no other time. Where nothing can be looked
    at (compiled code, a graph being captured), the answer is no.

    Example:
        >>> is_one(torch.tensor(1.0)), is_one(torch.tensor(0.5)), is_one(torch.ones(3))
        (True, False, False)
    """
    if value.numel() != 1 or value.requires_grad or torch.compiler.is_compiling() or value.is_inference():
        return False
    if value.device.type not in ("cpu", "cuda") or type(value) is not Tensor:
        return False
    found = _FOUND.get(value)
    if found is None or found[0] != value._version:
        if value.is_cuda and torch.cuda.is_current_stream_capturing():
            return False
        plain = value.detach().reshape(1).to(torch.float64)
        found = _FOUND[value] = value._version, plain.cpu().numpy()[0] == 1
    return bool(found[1])

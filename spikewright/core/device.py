"""device_of(model): where a model's tensors are; usable(device): a device by its name, if there is one."""

from __future__ import annotations

import torch
from torch import nn

from .errors import ArgumentError, sentence


def device_of(model: nn.Module) -> torch.device:
    """Where the first of the model's tensors is; the CPU if it has none."""
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def usable(device: str | torch.device, who: str) -> torch.device:
    """The CPU or a CUDA device, with its number.

    Raises:
        ArgumentError: for any other, and for a GPU that torch cannot use.

    Example:
        >>> usable("cpu", "train")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ArgumentError(sentence(f"{who}.device", repr(device), "cpu, cuda, or cuda:1 for the second GPU"))
    if found.type == "cpu":
        return found
    if not torch.cuda.is_available():
        todo = "Take cpu"
        raise ArgumentError(sentence(f"{who}.device", f"{found} without a GPU that torch can use", "a GPU", todo))
    number = torch.cuda.current_device() if found.index is None else found.index
    if number >= torch.cuda.device_count():
        allowed = f"cuda:0 to cuda:{torch.cuda.device_count() - 1}"
        raise ArgumentError(sentence(f"{who}.device", str(found), allowed))
    return torch.device("cuda", number)

"""What every encoder asks of its input: a floating-point tensor, a number of steps, values in a range."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.errors import ArgumentError, DataError, ShapeError, sentence


def check_timesteps(timesteps: int, who: str) -> None:
    """Raise ArgumentError unless timesteps is a whole number of at least 1."""
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
        raise ArgumentError(sentence(f"{who}.timesteps", repr(timesteps), "a whole number of at least 1"))


def check_batch(x: Tensor, who: str) -> None:
    """Raise ShapeError unless x is a floating-point [N, ...] with at least one value."""
    if not isinstance(x, Tensor):
        raise ShapeError(sentence(who, type(x).__name__, "a tensor [N, ...]"))
    if x.dim() < 1 or not x.numel():
        raise ShapeError(sentence(who, f"shape {list(x.shape)}", "[N, ...] with N >= 1 and at least one value"))
    if not torch.is_floating_point(x):
        todo = "Convert it, e.g. x.float() / 255 for pixels of 0..255"
        raise ShapeError(sentence(who, f"dtype {x.dtype}", "a floating-point dtype", todo))


def check_range(x: Tensor, who: str, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise DataError unless all values of x are finite and within low..high; unlooked at while they are captured."""
    if x.is_cuda and torch.cuda.is_current_stream_capturing():
        return
    least, most = (float(value) for value in x.detach().aminmax())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise DataError(sentence(who, "NaN or infinite values", "finite values", "Check where the input comes from"))
    if least < low or most > high:
        todo = "Scale the input; pixel scaling by mean and std belongs into the model"
        raise DataError(sentence(who, f"values from {least:g} to {most:g}", f"values in {low:g}..{high:g}", todo))

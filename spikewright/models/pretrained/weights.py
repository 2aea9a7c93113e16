"""read_weights(path, sha256): the tensors of a weights file as float32, checked, unpacked, never unpickled."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, int8

from ...core.errors import CheckpointError, sentence

AGAIN = "Get the file again"


def read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read a safetensors file, plain or packed with xz, and turn all weights into float32.

    Args:
        path: the file; packed if its name ends in `.xz`.
        sha256: the checksum that the file, as it lies there, must have.

    Raises:
        CheckpointError: if the file is missing, has another checksum, is truncated or no safetensors file, or
            whole numbers and their scales do not fit.
    """
    who = f"weights {path}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(sentence(who, f"no readable file ({error})", "the file of the description")) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CheckpointError(sentence(who, f"a file with the sha256 {found}", sha256, AGAIN))
    try:
        tensors = load(lzma.decompress(content) if path.suffix == ".xz" else content)
    except (lzma.LZMAError, EOFError) as error:
        raise CheckpointError(sentence(who, f"a broken xz file ({error})", "a whole one", AGAIN)) from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(sentence(who, f"no safetensors file ({error})", "a whole one", AGAIN)) from error
    return as_float(tensors, who)


def as_float(tensors: Mapping[str, Tensor], who: str) -> dict[str, Tensor]:
    """Stored numbers to weights: float16 to float32; `X.int8` times `X.scale`, one scale per output channel, to `X`.

    Args:
        tensors: name -> tensor, as stored.
        who: what to call them in an error.

    Raises:
        CheckpointError: if whole numbers lack their scales, or the other way round, or their lengths differ.

    Example:
        >>> from torch import tensor
        >>> stored = {"w.int8": tensor([[2, -4], [8, 0]], dtype=int8), "w.scale": tensor([0.5, 0.25])}
        >>> as_float(stored, "file")
        {'w': tensor([[ 1., -2.],
                [ 2.,  0.]])}
    """
    weights = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition(".")
        if kind == "int8":
            weights[name] = _scaled(value, tensors.get(f"{name}.scale"), f"{who}, {name}")
        elif kind != "scale":
            weights[key] = value.float() if value.is_floating_point() else value
        elif f"{name}.int8" not in tensors:
            raise CheckpointError(sentence(f"{who}, {name}", "a scale alone", f"{name}.int8 too", AGAIN))
    return weights


def _scaled(value: Tensor, scale: Tensor | None, who: str) -> Tensor:
    if value.dtype != int8 or value.ndim < 1:
        met = f"{value.dtype} of shape {list(value.shape)}"
        raise CheckpointError(sentence(who, met, "torch.int8 with output channels first", AGAIN))
    if scale is None or scale.shape != value.shape[:1]:
        met = "no scale" if scale is None else f"a scale of shape {list(scale.shape)}"
        raise CheckpointError(sentence(who, met, f"one number for each of {len(value)} output channels", AGAIN))
    return value.float() * scale.float().view(-1, *(1,) * (value.ndim - 1))

"""Weights and training state on disk: one safetensors file with its description in the header, written atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..core.arguments import check_module
from ..core.errors import CheckpointError
from ..core.fill import fill

FORMAT = "spikewright 1"
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of what `torch.save` and `pickle.dump` write."""


def save(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description; a killed process leaves the old file or the new one, never half of one.

    Args:
        path: file to write, ending in `.safetensors`.
        tensors: name -> tensor, any dtype and shape.
        description: what JSON can hold; kept in the file's header.

    Raises:
        CheckpointError: if the file cannot be written (no space, no permission).
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, partial, {"format": FORMAT, "description": json.dumps(dict(description))})
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)  # safetensors writes for the owner alone
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink()
        raise CheckpointError(
            f"checkpoint {path}: could not be written ({error}). Free space or choose another folder; "
            "an earlier checkpoint of that name is unharmed."
        ) from error


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and description. Never runs code from the file.

    Raises:
        CheckpointError: if the file is missing, unreadable, truncated, a pickle, or no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: there is no such file. Give the path of a .safetensors file.")
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: cannot be read ({error}). Check the permissions.") from error
    # a safetensors file begins with a length of 8 bytes, any of which may look like a pickle's, and then a brace
    if head[8:] != b"{" and head.startswith(_PICKLES):
        raise CheckpointError(
            f"checkpoint {path}: this is a pickle (torch.save), which can run code when it is read; expected "
            "safetensors. Load it yourself with torch.load(..., weights_only=True) and save its state_dict with "
            "safetensors.torch.save_file."
        )
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(header.get("description", "{}"))
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {path}: is truncated or no safetensors file ({error}). Use another copy; "
            "a run that was killed keeps its last whole checkpoint."
        ) from error
    return tensors, description


def save_model(path: Path, model: nn.Module, description: Mapping[str, Any]) -> None:
    """Write a model's `state_dict` and what it is (architecture, config, accuracy...)."""
    check_module(model, "save_model.model", "The order is path, model, description")
    save(path, model.state_dict(), description)


def load_model(path: Path, model: nn.Module) -> dict[str, Any]:
    """Fill a model with the weights of a file and return the file's description.

    Raises:
        CheckpointError: as `load`, or if names or shapes differ from the model's, naming the first differences.
    """
    check_module(model, "load_model.model", "The order is path, model")
    tensors, description = load(path)
    fill(model, tensors, f"checkpoint {path}")
    return description

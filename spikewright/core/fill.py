"""fill(model, tensors, who): weights from a file into a model, all or none."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .errors import CheckpointError


def fill(model: nn.Module, tensors: Mapping[str, Tensor], who: str) -> None:
    """Copy tensors into a model, all or none.

    Raises:
        CheckpointError: if names or shapes differ from the model's, naming the first differences.
    """
    own = model.state_dict()
    faults = [f"{name} is missing" for name in own if name not in tensors]
    faults += [f"{name} is not in the model" for name in tensors if name not in own]
    faults += [
        f"{name} has shape {list(tensors[name].shape)}, the model's has {list(value.shape)}"
        for name, value in own.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise CheckpointError(
            f"{who}: does not fit {type(model).__name__}: {'; '.join(faults[:3])}{more}. "
            "Build the architecture that the file was saved from (its description names it)."
        )
    bad = [name for name, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        raise CheckpointError(
            f"{who}: {bad[0]} holds NaN or infinite values. Use another copy or an earlier checkpoint."
        )
    model.load_state_dict(dict(tensors))

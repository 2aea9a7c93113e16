"""Accuracy of an ordinary network, and of a spiking one at every time step from one run."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..core.errors import DataError

Batch = tuple[Tensor, Tensor]


@torch.inference_mode()
def accuracy(model: nn.Module, batches: Iterable[Batch], *, fabric: Fabric | None = None) -> float:
    """Share of samples, 0..1, whose largest logit is the label's; evaluated in `eval()`, the mode is restored.

    Args:
        model: images [N, ...] -> logits [N, K].
        batches: pairs of images and labels [N].
        fabric: sums over its processes when given.

    Raises:
        DataError: if there is no sample.
    """
    training = model.training
    model.eval()
    try:
        counts = torch.zeros(2, dtype=torch.float64)
        device = next(model.parameters()).device
        for x, y in batches:
            hits = (model(x.to(device)).argmax(1) == y.to(device)).sum()
            counts += torch.tensor([float(hits), len(y)], dtype=torch.float64)
    finally:
        model.train(training)
    if fabric is not None and fabric.world_size > 1:
        counts = fabric.all_reduce(counts, reduce_op="sum")  # pyright: ignore[reportAssignmentType]
    if not counts[1]:
        raise DataError("accuracy: got no sample; expected at least one batch. Check the data and the split.")
    return float(counts[0] / counts[1])

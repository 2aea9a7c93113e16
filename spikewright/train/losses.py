"""Losses: (model, batch, generator) -> (scalar, numbers to log). They add up and can be scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.errors import ArgumentError, sentence
from ..core.input_error import readable_input
from .evaluate import check_labels
from .loader import Batch

Result = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Loss:
    """A function of model, batch and generator, which can be added to others and multiplied by a number.

    Example:
        >>> both = cross_entropy() + 0.5 * cross_entropy(label_smoothing=0.1)
    """

    run: Callable[[nn.Module, Batch, torch.Generator], Result]

    def __call__(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        """Scalar to minimise, and named scalars to log (means over the batch)."""
        return self.run(model, batch, generator)

    def __add__(self, other: Loss) -> Loss:
        def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
            (a, log_a), (b, log_b) = self(model, batch, generator), other(model, batch, generator)
            return a + b, log_a | log_b

        return Loss(run)

    def __rmul__(self, factor: float) -> Loss:
        def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
            value, log = self(model, batch, generator)
            return factor * value, log

        return Loss(run)


def cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """Cross-entropy of an ordinary network's logits [N, K], with the accuracy (0..1) logged.

    Args:
        label_smoothing: share of the label spread over all classes, 0..1.

    Raises:
        ArgumentError: if label_smoothing is outside 0..1. When called, DataError for a label that is no class of the
            model, and ShapeError for a batch that the model cannot take.
    """
    if not isinstance(label_smoothing, Real) or not 0 <= label_smoothing <= 1:
        raise ArgumentError(sentence("cross_entropy.label_smoothing", repr(label_smoothing), "a number in 0..1"))

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        x, y = batch
        with readable_input("cross_entropy", x):
            logits = model(x)
        check_labels(y, logits.shape[-1])
        value = F.cross_entropy(logits, y, label_smoothing=label_smoothing)
        hits = (logits.detach().argmax(1) == y).float().mean()
        return value, {"loss": value.detach(), "accuracy": hits}

    return Loss(run)

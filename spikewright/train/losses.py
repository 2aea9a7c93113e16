"""Losses: (model, batch, generator) -> (scalar, numbers to log). They add up and can be scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_module
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.input_error import readable_input
from .evaluate import check_labels
from .loader import Batch
from .over_time import evaluating

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


@dataclass(frozen=True)
class LogitLoss(Loss):
    """A loss that asks nothing of the model but its logits: of a sum of such losses the model runs once.

    Args:
        of: logits [N, K] and batch -> scalar, numbers to log.
        who: what to call it where the model cannot take a batch.
    """

    of: Callable[[Tensor, Batch], Result]
    who: str

    def __add__(self, other: Loss) -> Loss:
        if not isinstance(other, LogitLoss):
            return super().__add__(other)

        def of(logits: Tensor, batch: Batch) -> Result:
            (a, log_a), (b, log_b) = self.of(logits, batch), other.of(logits, batch)
            return a + b, log_a | log_b

        return logit_loss(of, self.who)

    def __rmul__(self, factor: float) -> Loss:
        def of(logits: Tensor, batch: Batch) -> Result:
            value, log = self.of(logits, batch)
            return factor * value, log

        return logit_loss(of, self.who)


def logit_loss(of: Callable[[Tensor, Batch], Result], who: str) -> LogitLoss:
    """A loss of the logits that a model gives for a batch.

    Args:
        of: logits [N, K] and batch -> scalar, numbers to log.
        who: what to call it where the model cannot take a batch.
    """

    def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
        with readable_input(who, batch[0]):
            logits = model(batch[0])
        return of(logits, batch)

    return LogitLoss(run, of, who)


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

    def of(logits: Tensor, batch: Batch) -> Result:
        y = batch[1]
        check_labels(y, logits.shape[-1])
        value = F.cross_entropy(logits, y, label_smoothing=label_smoothing)
        hits = (logits.detach().argmax(1) == y).float().mean()
        return value, {"loss": value.detach(), "accuracy": hits}

    return logit_loss(of, "cross_entropy")


def mean_squared_error() -> Loss:
    """Mean squared error of an ordinary network's values, for heads that give numbers instead of classes.

    Returns:
        A loss that logs "loss". When called, ShapeError for targets that are not of the shape of the values, or a batch
        that the model cannot take.
    """

    def of(values: Tensor, batch: Batch) -> Result:
        y = batch[1]
        if values.shape != y.shape:
            met = f"values of shape {list(values.shape)} and targets of shape {list(y.shape)}"
            raise ShapeError(sentence("mean_squared_error", met, "targets of the shape of the network's output"))
        value = F.mse_loss(values, y)
        return value, {"loss": value.detach()}

    return logit_loss(of, "mean_squared_error")


def distillation(teacher: nn.Module, *, temperature: float = 4.0, weight: float = 1.0) -> Loss:
    """Distance of an ordinary network's logits to those of a teacher, to be added to `cross_entropy`.

        weight * temperature^2 * KL(softmax(teacher / temperature) || softmax(model / temperature))

    as a mean over the batch. The square keeps the gradient at its size where the temperature changes. The teacher sees
    the same images, in `eval()` and without gradient; afterwards it is in the mode it had.

    Args:
        teacher: a trained network, on the device of the batches.
        temperature: above 0; a high one also compares the small probabilities.
        weight: what the distance is multiplied with, at least 0.

    Returns:
        A loss that logs "distillation", the distance before it is weighted.

    Raises:
        ArgumentError: for a number out of range. When called, ShapeError if the teacher cannot take the images or has
            logits of another shape.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2.
        Differs: the divergence in place of the cross-entropy, which has the same gradient and is 0 at equal logits.

    Example:
        >>> both = cross_entropy() + distillation(nn.Linear(4, 2), temperature=2.0, weight=0.5)
    """
    check_module(teacher, "distillation.teacher")
    check_distillation("distillation", temperature=temperature, weight=weight)

    def of(logits: Tensor, batch: Batch) -> Result:
        x = batch[0]
        with torch.no_grad(), evaluating(teacher), readable_input("distillation.teacher", x):
            wanted = teacher(x)
        if logits.shape != wanted.shape:
            met = f"logits of shape {list(logits.shape)} and a teacher's of shape {list(wanted.shape)}"
            raise ShapeError(sentence("distillation", met, "a teacher of the same classes"))
        soft, hard = (F.log_softmax(part / temperature, -1) for part in (logits, wanted))
        value = temperature**2 * F.kl_div(soft, hard, reduction="batchmean", log_target=True)
        return weight * value, {"distillation": value.detach()}

    return logit_loss(of, "distillation")


def check_distillation(who: str, **numbers: float) -> None:
    """Raise ArgumentError unless temperature and weight are numbers that `distillation` can take."""
    for name, value in numbers.items():
        least = "a finite number above 0" if "temperature" in name else "a finite number of at least 0"
        fits = isinstance(value, Real) and 0 <= value < float("inf") and (value > 0 or "temperature" not in name)
        if not fits:
            raise ArgumentError(sentence(f"{who}.{name}", repr(value), least))

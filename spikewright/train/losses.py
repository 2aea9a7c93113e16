"""Losses of ordinary networks: cross-entropy, mean squared error, distance to a teacher."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.arguments import check_module
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.evaluating import evaluating
from ..core.input_error import readable_input
from ..core.loss import Batch, Loss, Pass, Result, pass_loss, whole
from .evaluate import check_labels


def cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """Cross-entropy of an ordinary network's logits [N, K], with the accuracy (0..1) logged.

    Args:
        label_smoothing: share of the label spread over all classes, 0..1.

    Raises:
        ArgumentError: if label_smoothing is outside 0..1. When called, DataError for a label that is no class of the
            model, and ShapeError for a batch that the model cannot take.
    """
    check_share("cross_entropy.label_smoothing", label_smoothing)

    def of(seen: Pass, batch: Batch) -> Result:
        logits, y = seen.output, batch[1]
        check_labels(y, logits.shape[-1])
        value = F.cross_entropy(logits, y, label_smoothing=label_smoothing)
        return value, {"loss": value.detach(), "accuracy": hits(logits, y)}

    return pass_loss(of, "cross_entropy", whole)


def hits(logits: Tensor, y: Tensor) -> Tensor:
    """Share of samples whose largest logit is the label's, 0..1."""
    return (logits.detach().argmax(-1) == y).float().mean()


def mean_squared_error() -> Loss:
    """Mean squared error of an ordinary network's values, for heads that give numbers instead of classes.

    Returns:
        A loss that logs "loss". When called, ShapeError for targets that are not of the shape of the values, or a batch
        that the model cannot take.
    """

    def of(seen: Pass, batch: Batch) -> Result:
        values, y = seen.output, batch[1]
        if values.shape != y.shape:
            met = f"values of shape {list(values.shape)} and targets of shape {list(y.shape)}"
            raise ShapeError(sentence("mean_squared_error", met, "targets of the shape of the network's output"))
        value = F.mse_loss(values, y)
        return value, {"loss": value.detach()}

    return pass_loss(of, "mean_squared_error", whole)


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

    def of(seen: Pass, batch: Batch) -> Result:
        value = distance_to_teacher(seen.output, teacher, batch[0], temperature, "distillation")
        return weight * value, {"distillation": value.detach()}

    return pass_loss(of, "distillation", whole)


def distance_to_teacher(logits: Tensor, teacher: nn.Module, x: Tensor, temperature: float, who: str) -> Tensor:
    """The distance that `distillation` states, of logits [N, K] to those that a teacher gives for x.

    Raises:
        ShapeError: if the teacher cannot take x, or has logits of another shape.
    """
    with torch.no_grad(), evaluating(teacher), readable_input(f"{who}.teacher", x):
        wanted = teacher(x)
    if logits.shape != wanted.shape:
        met = f"logits of shape {list(logits.shape)} and a teacher's of shape {list(wanted.shape)}"
        raise ShapeError(sentence(who, met, "a teacher of the same classes"))
    soft, hard = (F.log_softmax(part / temperature, -1) for part in (logits, wanted))
    return temperature**2 * F.kl_div(soft, hard, reduction="batchmean", log_target=True)


def check_distillation(who: str, **numbers: float) -> None:
    """Raise ArgumentError unless temperature and weight are numbers that `distillation` can take."""
    for name, value in numbers.items():
        least = "a finite number above 0" if "temperature" in name else "a finite number of at least 0"
        fits = isinstance(value, Real) and 0 <= value < float("inf") and (value > 0 or "temperature" not in name)
        if not fits:
            raise ArgumentError(sentence(f"{who}.{name}", repr(value), least))


def check_share(who: str, value: Any) -> None:
    """Raise ArgumentError unless it is a number in 0..1."""
    if not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ArgumentError(sentence(who, repr(value), "a number in 0..1"))

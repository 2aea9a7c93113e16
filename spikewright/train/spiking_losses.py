"""Losses of spiking networks, whose output is [T, N, K]: of the read-out, of every step, of a teacher's distance."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..coding.encode import repeat
from ..coding.readout import last, max_membrane, mean
from ..core.arguments import check_module, named
from ..core.errors import ArgumentError, ShapeError, sentence
from ..core.loss import Batch, Loss, Pass, Result, pass_loss, spiking_part
from .evaluate import check_labels
from .losses import check_distillation, check_share, distance_to_teacher, hits

Encode = Callable[..., Tensor]
"""x [N, ...] and T -> input [T, N, ...]; one with a parameter `generator` is given that of the batch."""

Readout = Callable[[Tensor], Tensor]
"""Output [T, N, K] -> logits [N, K]."""


@dataclass(frozen=True)
class Sequences:
    """The feed of a spiking network: x of a batch as a sequence [T, N, ...].

    Args:
        timesteps: T; None for a batch that holds a sequence already.
        encode: x and T -> sequence, e.g. `repeat`, or `poisson`, which draws from the batch's generator.

    Example:
        >>> from spikewright.core import Spiking
        >>> from spikewright.neurons import IF
        >>> feed = Sequences(3)
        >>> feed(Spiking(IF()), (torch.zeros(2, 5), torch.zeros(2)), torch.Generator()).shape, feed == Sequences(3)
        (torch.Size([3, 2, 5]), True)
    """

    timesteps: int | None = None
    encode: Encode = repeat

    def __post_init__(self) -> None:
        steps = self.timesteps
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
            allowed = "a whole number of at least 1, or None for batches that are sequences [T, N, ...]"
            raise ArgumentError(sentence("loss.timesteps", repr(steps), allowed))
        if not callable(self.encode):
            raise ArgumentError(sentence("loss.encode", named(self.encode), "a function, e.g. coding.repeat"))

    def __call__(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        """The input of the model, [T, N, ...].

        Raises:
            ArgumentError: if the model is no spiking network, or has steps whose output does not count.
        """
        phases = spiking_part(model, "loss").phases
        if phases.rehearsal:
            allowed = "one whose outputs all count"
            raise ArgumentError(
                sentence("loss.model", f"a network with {phases.rehearsal} steps of rehearsal", allowed)
            )
        if self.timesteps is None:
            return batch[0]
        if "generator" in inspect.signature(self.encode).parameters:
            return self.encode(batch[0], self.timesteps, generator=generator)
        return self.encode(batch[0], self.timesteps)


def rate_cross_entropy(
    *, timesteps: int | None = None, encode: Encode = repeat, label_smoothing: float = 0.0, readout: Readout = mean
) -> Loss:
    """Cross-entropy of the mean output over time, with the accuracy (0..1) of that read-out logged.

        CE(1/T sum_t z_t, y)

    Args:
        timesteps: how many steps each input is given; None for batches that are sequences [T, N, ...].
        encode: x and T -> input [T, N, ...].
        label_smoothing: share of the label spread over all classes, 0..1.
        readout: output [T, N, K] -> logits [N, K].

    Raises:
        ArgumentError: for an argument out of range, or, when called, a model that is no spiking network. Then also
            DataError for a label that is no class of the model, ShapeError for a batch that the model cannot take.

    Source: Zheng et al. 2021, "Going Deeper With Directly-Trained Larger Spiking Neural Networks", AAAI 35(12);
        label smoothing: Szegedy et al. 2016, arXiv 1512.00567, section 7.

    Example:
        >>> loss = rate_cross_entropy(timesteps=4) + 0.5 * rate_cross_entropy(timesteps=4, label_smoothing=0.1)
    """
    return _of_readout("rate_cross_entropy", readout, Sequences(timesteps, encode), label_smoothing)


def max_membrane_cross_entropy(
    *, timesteps: int | None = None, encode: Encode = repeat, label_smoothing: float = 0.0
) -> Loss:
    """Cross-entropy of the largest output over time, for a read-out that does not fire (`LI`); accuracy logged.

        CE(max_t v_t, y)

    Arguments and errors as in `rate_cross_entropy`.

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
        Networks", IEEE TNNLS 33(7), maximum-over-time loss.

    Example:
        >>> loss = max_membrane_cross_entropy()  # batches are sequences
    """
    return _of_readout("max_membrane_cross_entropy", max_membrane, Sequences(timesteps, encode), label_smoothing)


def last_cross_entropy(*, timesteps: int | None = None, encode: Encode = repeat, label_smoothing: float = 0.0) -> Loss:
    """Cross-entropy of the output of the last step, for a read-out that remembers (`LI`); accuracy logged.

        CE(v_T, y)

    Arguments and errors as in `rate_cross_entropy`.

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
        Networks", IEEE TNNLS 33(7), last-time-step loss.

    Example:
        >>> loss = last_cross_entropy(label_smoothing=0.1)
    """
    return _of_readout("last_cross_entropy", last, Sequences(timesteps, encode), label_smoothing)


def tet(
    *,
    timesteps: int | None = None,
    encode: Encode = repeat,
    means: float = 1.0,
    lamb: float = 0.05,
    label_smoothing: float = 0.0,
) -> Loss:
    """Temporal efficient training: every step has to be right by itself; the accuracy of the mean output is logged.

        (1 - lamb) 1/T sum_t CE(z_t, y) + lamb 1/T sum_t MSE(z_t, means)

    Args:
        timesteps, encode, label_smoothing: as in `rate_cross_entropy`.
        means: what the second term draws all outputs to, against outliers; the threshold of the neurons.
        lamb: share of the second term, 0..1.

    Raises:
        ArgumentError, and those of `rate_cross_entropy`.

    Source: Deng et al. 2022, "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting", ICLR
        2022, arXiv 2202.11946, the total loss.

    Example:
        >>> loss = tet(timesteps=4, means=1.0, lamb=0.05)
    """
    check_share("tet.lamb", lamb)
    check_share("tet.label_smoothing", label_smoothing)
    if not isinstance(means, Real) or not abs(float(means)) < float("inf"):
        raise ArgumentError(sentence("tet.means", repr(means), "a finite number"))

    def of(seen: Pass, batch: Batch) -> Result:
        z, y = checked_output("tet", seen, batch), batch[1]
        value = tet_value(z, y, means=means, lamb=lamb, label_smoothing=label_smoothing)
        return value, {"loss": value.detach(), "accuracy": hits(z.mean(0), y)}

    return pass_loss(of, "tet", Sequences(timesteps, encode))


def tet_value(z: Tensor, y: Tensor, *, means: float, lamb: float, label_smoothing: float = 0.0) -> Tensor:
    """The number that `tet` states, of outputs [T, N, K] and labels [N].

    Example:
        >>> even = torch.zeros(2, 1, 2)
        >>> tet_value(even, torch.tensor([1]), means=1.0, lamb=0.5)  # (ln 2 + 1) / 2
        tensor(0.8466)
    """
    each = F.cross_entropy(z.flatten(0, 1), y.repeat(len(z)), label_smoothing=label_smoothing)
    return (1 - lamb) * each + lamb * (z - means).square().mean()


def readout_distillation(
    teacher: nn.Module, *, temperature: float = 4.0, weight: float = 1.0, readout: Readout = mean
) -> Loss:
    """Distance of a spiking network's read-out to the logits of a teacher, an ordinary network; added to another loss.

    The distance is that of `distillation`. The teacher is given the batch as it is, images [N, ...], the network what
    the loss gives that this one is added to.

    Args:
        teacher: a trained network, on the device of the batches.
        temperature: above 0; a high one also compares the small probabilities.
        weight: what the distance is multiplied with, at least 0.
        readout: output [T, N, K] -> logits [N, K].

    Returns:
        A loss that logs "distillation", the distance before it is weighted.

    Raises:
        ArgumentError: for a number out of range, or, when called, without a loss beside it. ShapeError, when called, if
            the teacher cannot take the images or has logits of another shape.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531; from an ordinary to a
        spiking network: Xu et al. 2023, "Constructing Deep Spiking Neural Networks from Artificial Neural Networks with
        Knowledge Distillation", CVPR 2023, arXiv 2304.05627, distance of the logits.

    Example:
        >>> loss = rate_cross_entropy(timesteps=4) + readout_distillation(nn.Linear(4, 2), temperature=2.0)
    """
    check_module(teacher, "readout_distillation.teacher")
    check_distillation("readout_distillation", temperature=temperature, weight=weight)
    _check_readout("readout_distillation", readout)

    def of(seen: Pass, batch: Batch) -> Result:
        logits = readout(checked_output("readout_distillation", seen, batch))
        value = distance_to_teacher(logits, teacher, batch[0], temperature, "readout_distillation")
        return weight * value, {"distillation": value.detach()}

    return pass_loss(of, "readout_distillation")


def logged_accuracy(name: str = "accuracy", *, readout: Readout = mean) -> Loss:
    """Nothing to minimise: it logs the accuracy (0..1) of a read-out, beside the loss that it is added to.

    Args:
        name: under which it is logged.
        readout: output [T, N, K] -> logits [N, K].

    Example:
        >>> loss = max_membrane_cross_entropy() + logged_accuracy("accuracy of the mean")
    """
    _check_readout("logged_accuracy", readout)

    def of(seen: Pass, batch: Batch) -> Result:
        logits = readout(checked_output("logged_accuracy", seen, batch))
        return logits.new_zeros(()), {name: hits(logits, batch[1])}

    return pass_loss(of, "logged_accuracy")


def checked_output(who: str, seen: Pass, batch: Batch) -> Tensor:
    """The output [T, N, K] of a pass, if it is one and fits the labels [N].

    Raises:
        ShapeError: for an output or labels of another shape.
        DataError: for a label that is no class.
    """
    z, y = seen.output, batch[1]
    if z.dim() != 3 or y.shape != z.shape[1:2]:
        met = f"output of shape {list(z.shape)} and labels of shape {list(y.shape)}"
        todo = "For a network that gives logits [N, K] take cross_entropy"
        raise ShapeError(sentence(who, met, "output [T, N, K] and labels [N]", todo))
    check_labels(y, z.shape[-1])
    return z


def _of_readout(who: str, readout: Readout, feed: Sequences, label_smoothing: float) -> Loss:
    check_share(f"{who}.label_smoothing", label_smoothing)
    _check_readout(who, readout)

    def of(seen: Pass, batch: Batch) -> Result:
        logits, y = readout(checked_output(who, seen, batch)), batch[1]
        value = F.cross_entropy(logits, y, label_smoothing=label_smoothing)
        return value, {"loss": value.detach(), "accuracy": hits(logits, y)}

    return pass_loss(of, who, feed)


def _check_readout(who: str, readout: Any) -> None:
    if not callable(readout):
        raise ArgumentError(sentence(f"{who}.readout", named(readout), "a function, e.g. coding.mean"))

"""Accuracy of an ordinary network, and of a spiking one at every time step from one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..coding.encode import repeat
from ..core.arguments import check_module
from ..core.device import device_of
from ..core.errors import DataError, ShapeError, sentence
from ..core.evaluating import evaluating
from ..core.input_error import readable_input
from ..core.phases import Phases
from ..core.processes import together
from ..core.spiking import Timed
from ..report.table import Column, Table
from .loader import Batch
from .over_time import (
    check_run,
    check_steps,
    checked_batches,
    sums_over_time,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@torch.inference_mode()
def accuracy(model: nn.Module, batches: Iterable[Batch], *, fabric: Fabric | None = None) -> float:
    """Share of samples, 0..1, whose largest logit is the label's; evaluated in `eval()`, the mode is restored.

    Args:
        model: images [N, ...] -> logits [N, K].
        batches: pairs of images and labels [N].
        fabric: sums over its processes when given.

    Raises:
        DataError: if there is no sample, an image holds NaN, or a label is no class of the model.
        ShapeError: if images and labels differ in number, or the model cannot take the images.
    """
    check_module(model, "accuracy.model", "The order is model, batches")
    counts = torch.zeros(2, dtype=torch.float64)
    with evaluating(model):
        for x, y in _labelled("accuracy", batches):
            with readable_input("accuracy", x):
                logits = model(x.to(device_of(model)))
            if logits.dim() != 2:
                todo = "A spiking network is judged by accuracy_over_time, and in fit by judge=accuracy_of(timesteps)"
                met = f"a network whose output has the shape {list(logits.shape)}"
                raise ShapeError(sentence("accuracy", met, "logits [N, K]", todo))
            _check_number("accuracy", len(logits), y)
            check_labels(y, logits.shape[-1])
            counts += torch.tensor([float((logits.argmax(1).cpu() == y.cpu()).sum()), len(y)], dtype=torch.float64)
    counts = together(counts, fabric)
    if not counts[1]:
        raise DataError("accuracy: got no sample; expected at least one batch. Check the data and the split.")
    return float(counts[0] / counts[1])


@dataclass(frozen=True)
class AccuracyOverTime:
    """Accuracy of a spiking network after 1, 2, ..., T time steps.

    Args:
        samples: number of samples judged.
        correct: after each step, how many samples the mean output so far classifies right; length T.
        agreeing: after each step, how many get the source network's class; length T; empty without a source network.
        source_correct: how many samples the source network classifies right, or None.
        phases: steps that the network needs besides; T does not count them.
    """

    samples: int
    correct: tuple[int, ...]
    agreeing: tuple[int, ...]
    source_correct: int | None
    phases: Phases = field(default_factory=Phases)

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Accuracy after each step, 0..1."""
        return tuple(hits / self.samples for hits in self.correct)

    @property
    def agreement(self) -> tuple[float, ...]:
        """Share of samples that get the source network's class, after each step, 0..1."""
        return tuple(hits / self.samples for hits in self.agreeing)

    @property
    def source_accuracy(self) -> float | None:
        """Accuracy of the source network, 0..1."""
        return None if self.source_correct is None else self.source_correct / self.samples

    def table(self, at: Sequence[int] | None = None) -> Table:
        """One row per number of steps: accuracy with its 95 % interval, and agreement with the source network.

        Args:
            at: which numbers of steps, each in 1..T; all if not given.

        Raises:
            ArgumentError: if a number of steps is outside 1..T.
        """
        steps = range(1, len(self.correct) + 1)
        check_steps("AccuracyOverTime.table", at, len(self.correct))
        columns = (
            Column("T", "steps"),
            *latency_columns(self.phases),
            Column("accuracy", "%", 2),
            Column("low", "%", 2, note="lower end of the 95 % Wilson interval"),
            Column("high", "%", 2, note="upper end of the 95 % Wilson interval"),
            Column("agreement", "%", 2, note="same class as the source network"),
        )
        rows = tuple(
            (
                t,
                *latencies(self.phases, t),
                self.correct[t - 1] / self.samples,
                *wilson(self.correct[t - 1], self.samples),
                self.agreeing[t - 1] / self.samples if self.agreeing else None,
            )
            for t in at or steps
        )
        source = (
            "" if self.source_accuracy is None else f" The source network reaches {100 * self.source_accuracy:.2f} %."
        )
        return Table("Accuracy over time", columns, rows, caption=f"{self.samples} samples.{source}")


LATENCY = Column("latency", "steps", note="T and the steps before the first output that counts, as papers count them")
"""Steps in all."""


def latency_columns(phases: Phases) -> tuple[Column, ...]:
    """Columns for the steps in all, where they are more than T."""
    if phases == Phases():
        return ()
    if not phases.window:
        return (LATENCY,)
    note = f"the same where no layer can look ahead: each of {phases.layers} layers waits for {phases.window} steps"
    return (LATENCY, Column("pipeline", "steps", note=note))


def latencies(phases: Phases, timesteps: int | None) -> tuple[int | None, ...]:
    """The cells of `latency_columns` for a row; empty cells for the source network, which has no T."""
    cells = (None, None) if timesteps is None else (phases.latency(timesteps), phases.pipeline(timesteps))
    return cells[: len(latency_columns(phases))]


def wilson(hits: int, samples: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share that covers the true one in 95 % of cases (for z = 1.96), 0..1.

    Source: Wilson 1927, Journal of the American Statistical Association 22(158).

    Example:
        >>> [round(end, 4) for end in wilson(90, 100)]
        [0.8256, 0.9448]
    """
    share, square = hits / samples, z * z / samples
    middle, half = share + square / 2, z * math.sqrt(share * (1 - share) / samples + square / (4 * samples))
    return (middle - half) / (1 + square), (middle + half) / (1 + square)


@torch.inference_mode()
def accuracy_over_time(
    model: Timed,
    batches: Iterable[Batch],
    timesteps: int,
    *,
    source: nn.Module | None = None,
    encode: Callable[[Tensor, int], Tensor] = repeat,
    rows: int = 64,
    fabric: Fabric | None = None,
) -> AccuracyOverTime:
    """Judge a spiking network after every number of steps up to T, from one run of T steps.

    The prediction after t steps is the largest mean output of steps 1..t. For a network with a rehearsal (`SRP`) they
    begin after it: `model.phases.steps(T)` steps run in all. Long sequences run in chunks whose states are carried, so
    memory does not grow with T.

    Args:
        model: the spiking network, [T, N, ...] -> [T, N, K]; compiled or not.
        batches: pairs of images [N, ...] and labels [N]; with `encode=as_given` of sequences [T, N, ...] and labels.
        timesteps: T, at least 1.
        source: the network it came from, for its accuracy and the agreement with it.
        encode: images and T -> input [T, N, ...].
        rows: time steps times samples that are run together.
        fabric: sums over its processes when given.

    Raises:
        ArgumentError: if T < 1, or the model is no spiking network.
        DataError: if there is no sample, an image holds NaN, or a label is no class of the model.
        ShapeError: if images and labels differ in number, or the model cannot take the images.
    """
    check_run("accuracy_over_time", model, timesteps, encode, source)
    phases, counts = model.phases, torch.zeros(2 * timesteps + 2, dtype=torch.float64)
    with evaluating(model), evaluating(source):
        for x, y in _labelled("accuracy_over_time", batches):
            x, y = x.to(device_of(model)), y.to(device_of(model))
            with readable_input("accuracy_over_time", x):
                xs = encode(x, phases.steps(timesteps))
                _check_number("accuracy_over_time", xs.shape[1], y)
                picked, classes = _picked(model, xs, rows)
                expected = None if source is None else source(x).argmax(-1)
            check_labels(y, classes)
            picked = picked[:timesteps]
            counts[:timesteps] += (picked == y).sum(1).cpu()
            if expected is not None:
                counts[timesteps : 2 * timesteps] += (picked == expected).sum(1).cpu()
                counts[-2] += float((expected == y).sum())
            counts[-1] += len(y)
    counts = together(counts, fabric)
    numbers = [int(count) for count in counts]
    if not numbers[-1]:
        raise DataError("accuracy_over_time: got no sample; expected at least one batch. Check the data and the split.")
    agreeing = tuple(numbers[timesteps:-2]) if source is not None else ()
    return AccuracyOverTime(
        numbers[-1], tuple(numbers[:timesteps]), agreeing, numbers[-2] if source is not None else None, phases
    )


def accuracy_of(
    timesteps: int, *, encode: Callable[[Tensor, int], Tensor] = repeat, rows: int = 2048
) -> Callable[..., float]:
    """What `fit` takes as `judge` for a spiking network: its accuracy after T steps, 0..1.

    Args:
        timesteps: T, at least 1.
        encode: images and T -> input [T, N, ...]; `as_given` for batches that are sequences, such as `EventBatches`.
        rows: as for `accuracy_over_time`.
    """

    def judge(model: Timed, batches: Iterable[Batch], *, fabric: Fabric | None = None) -> float:
        return accuracy_over_time(model, batches, timesteps, encode=encode, rows=rows, fabric=fabric).accuracy[-1]

    return judge


def _picked(model: Timed, xs: Tensor, rows: int) -> tuple[Tensor, int]:
    """Class of the mean output of steps 1..t, [T, N], and the number of classes."""
    picked, classes = [], 0
    for total in sums_over_time(model, xs, rows):
        picked.append(total.argmax(-1))  # the sum has the same largest entry as the mean
        classes = total.shape[-1]
    return torch.stack(picked), classes


def _labelled(who: str, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches that hold something, each of finite images [N, ...], or a sequence [T, N, ...], and labels [N]."""
    for x, y in checked_batches(who, batches):
        if y.dim() != 1 or (len(y) == 0) != (x.numel() == 0):
            _check_number(who, len(x), y)
        if len(y):
            yield x, y


def _check_number(who: str, samples: int, y: Tensor) -> None:
    """Raise ShapeError unless there is one label for each sample."""
    if y.shape != (samples,):
        met = f"{samples} images and labels of shape {list(y.shape)}"
        raise ShapeError(sentence(who, met, "as many labels as images, [N]"))


def check_labels(y: Tensor, classes: int) -> None:
    """Raise DataError unless every label is a whole number, one of 0..classes-1."""
    if y.is_floating_point():
        raise DataError(sentence("labels", f"{y.dtype}", "numbers of classes, torch.int64", "Convert them: y.long()"))
    if y.numel() and not (int(y.min()) >= 0 and int(y.max()) < classes):
        raise DataError(
            sentence(
                "labels",
                f"values {int(y.min())}..{int(y.max())}",
                f"0..{classes - 1}",
                "Check that the data set and the network fit",
            )
        )

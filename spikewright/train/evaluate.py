"""Accuracy of an ordinary network, and of a spiking one at every time step from one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..coding.encode import repeat
from ..core.arguments import check_module, named
from ..core.carry import carry_state
from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..core.input_error import readable_input
from ..core.phases import Phases
from ..core.spiking import Spiking
from ..report.table import Column, Table
from .loader import Batch, pair


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
        for x, y in _checked("accuracy", batches):
            with readable_input("accuracy", x):
                logits = model(x.to(_device(model)))
            check_labels(y, logits.shape[-1])
            counts += torch.tensor([float((logits.argmax(1).cpu() == y.cpu()).sum()), len(y)], dtype=torch.float64)
    counts = _sum_over_processes(counts, fabric)
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
        if not isinstance(at, Sequence | None):
            raise ArgumentError(sentence("AccuracyOverTime.table at", repr(at), "numbers of steps, e.g. (1, 2)"))
        outside = [t for t in at or () if t not in steps]
        if outside:
            raise ArgumentError(
                sentence("AccuracyOverTime.table at", repr(outside[0]), f"1..{len(self.correct)} steps")
            )
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
    model: Spiking,
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
        model: the spiking network, [T, N, ...] -> [T, N, K].
        batches: pairs of images [N, ...] and labels [N].
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
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
        raise ArgumentError(sentence("accuracy_over_time.timesteps", repr(timesteps), "a whole number of at least 1"))
    if not isinstance(model, Spiking):
        todo = "Give the model of a conversion, convert(...).model, or wrap a network of neurons: Spiking(network)"
        raise ArgumentError(sentence("accuracy_over_time.model", named(model), "a Spiking network", todo))
    if not callable(encode):
        raise ArgumentError(sentence("accuracy_over_time.encode", named(encode), "a function, e.g. coding.repeat"))
    if source is not None:
        check_module(source, "accuracy_over_time.source")
    phases, counts = model.phases, torch.zeros(2 * timesteps + 2, dtype=torch.float64)
    with evaluating(model), evaluating(source):
        for x, y in _checked("accuracy_over_time", batches):
            x, y = x.to(_device(model)), y.to(_device(model))
            with readable_input("accuracy_over_time", x):
                xs = encode(x, phases.steps(timesteps))
                classes = _classes_over_time(model, xs, max(1, rows // len(x)), phases)
                expected = None if source is None else source(x).argmax(-1)
            check_labels(y, classes.logits)
            picked = classes.picked[:timesteps]
            counts[:timesteps] += (picked == y).sum(1).cpu()
            if expected is not None:
                counts[timesteps : 2 * timesteps] += (picked == expected).sum(1).cpu()
                counts[-2] += float((expected == y).sum())
            counts[-1] += len(y)
    counts = _sum_over_processes(counts, fabric)
    numbers = [int(count) for count in counts]
    if not numbers[-1]:
        raise DataError("accuracy_over_time: got no sample; expected at least one batch. Check the data and the split.")
    agreeing = tuple(numbers[timesteps:-2]) if source is not None else ()
    return AccuracyOverTime(
        numbers[-1], tuple(numbers[:timesteps]), agreeing, numbers[-2] if source is not None else None, phases
    )


@dataclass(frozen=True)
class _Classes:
    picked: Tensor  # class of the mean output of steps 1..t after the rehearsal, [T, N]
    logits: int  # number of classes


def _classes_over_time(model: Spiking, xs: Tensor, chunk: int, phases: Phases) -> _Classes:
    first = max(chunk, phases.window)  # what layers replay must come in one piece
    step, total, picked = 0, torch.zeros(()), []
    with carry_state(model):
        for part in (xs[:first], *(xs[first:].split(chunk) if len(xs) > first else ())):
            for logits in model(part):  # added one by one, so that no bit depends on the chunks
                step += 1
                if step > phases.rehearsal:
                    total = total.to(logits) + logits
                    picked.append(total.argmax(-1))  # the sum has the same largest entry as the mean
    return _Classes(torch.stack(picked), total.shape[-1])


def _checked(who: str, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches that hold something, each of finite images [N, ...] and as many labels [N]."""
    if not isinstance(batches, Iterable) or isinstance(batches, Tensor):
        raise ArgumentError(sentence(f"{who}.batches", named(batches), "batches (x, y)", "For one write [(x, y)]"))
    for number, batch in enumerate(batches):
        x, y = pair(batch, f"{who}, batch {number}")
        if y.shape != (len(x),):
            met = f"{len(x)} images and labels of shape {list(y.shape)}"
            raise ShapeError(sentence(who, met, "as many labels as images, [N]"))
        if not torch.isfinite(x).all():
            raise DataError(sentence(who, "NaN or infinite values in an image batch", "finite images"))
        if len(x):
            yield x, y


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


class evaluating:  # noqa: N801 - reads as a statement
    """Within the block a model is in `eval()`; afterwards every part is in the mode it had."""

    def __init__(self, model: nn.Module | None) -> None:
        self.modes = [(part, part.training) for part in model.modules()] if model is not None else []

    def __enter__(self) -> None:
        for part, _ in self.modes:
            part.training = False

    def __exit__(self, *_) -> None:
        for part, mode in self.modes:
            part.training = mode


def _device(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def _sum_over_processes(counts: Tensor, fabric: Fabric | None) -> Tensor:
    if fabric is None or fabric.world_size == 1:
        return counts
    return fabric.all_reduce(counts, reduce_op="sum")  # pyright: ignore[reportReturnType]

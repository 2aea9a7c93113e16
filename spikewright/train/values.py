"""Values instead of classes: any metric of an ordinary network, and of a spiking one at every time step from one run.

For heads that give numbers: images, depth, boxes, flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..coding.encode import repeat
from ..core.arguments import check_module, named
from ..core.device import device_of
from ..core.errors import ArgumentError, DataError, ShapeError, sentence
from ..core.evaluating import evaluating
from ..core.input_error import readable_input
from ..core.phases import Phases
from ..core.processes import together
from ..core.spiking import Timed
from ..report.table import Column, Table
from .evaluate import latencies, latency_columns
from .loader import Batch
from .metrics import Metric
from .over_time import (
    check_run,
    check_steps,
    checked_batches,
    sums_over_time,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@torch.inference_mode()
def mean_metric(model: nn.Module, batches: Iterable[Batch], metric: Metric, *, fabric: Fabric | None = None) -> float:
    """Mean of a metric over all samples of an ordinary network, evaluated in `eval()`; the mode is restored.

    Args:
        model: x [N, ...] -> values [N, *F].
        batches: pairs of x and the wanted values, [N, *F].
        metric: `PSNR`, `RMSE`, `MAE`, or `Metric(name, unit, function)`.
        fabric: sums over its processes when given.

    Raises:
        ArgumentError: if the metric is none, or does not give a number for each sample.
        DataError: if there is no sample, or a batch holds NaN.
        ShapeError: if targets are not of the shape of the values, or the model cannot take x.
    """
    check_module(model, "mean_metric.model", "The order is model, batches, metric")
    _check_metric("mean_metric", metric)
    sums = torch.zeros(2, dtype=torch.float64)
    with evaluating(model):
        for x, y in _targeted("mean_metric", batches, model):
            with readable_input("mean_metric", x):
                values = model(x)
            sums += torch.tensor([_sum("mean_metric", metric, values, y), len(x)], dtype=torch.float64)
    total, samples = together(sums, fabric).tolist()
    if not samples:
        raise DataError("mean_metric: got no sample; expected at least one batch. Check the data and the split.")
    return total / samples


@dataclass(frozen=True)
class MetricOverTime:
    """A metric of a spiking network's mean output after 1, 2, ..., T time steps.

    Args:
        metric: what was judged.
        samples: number of samples judged.
        values: after each step, the metric's mean over the samples; length T.
        deviation: after each step, how far the output is from the source network's: root mean square of the
            difference over that of the source's output; length T; empty without a source network.
        source_value: the metric's mean of the source network, or None.
        phases: steps that the network needs besides; T does not count them.
    """

    metric: Metric
    samples: int
    values: tuple[float, ...]
    deviation: tuple[float, ...] = ()
    source_value: float | None = None
    phases: Phases = field(default_factory=Phases)

    def table(self, at: Sequence[int] | None = None) -> Table:
        """One row per number of steps: the metric, its difference to the source network's, and the deviation.

        Args:
            at: which numbers of steps, each in 1..T; all if not given.

        Raises:
            ArgumentError: if a number of steps is outside 1..T.
        """
        name, unit, digits, source = self.metric.name, self.metric.unit, self.metric.digits, self.source_value
        check_steps("MetricOverTime.table", at, len(self.values))
        columns = (
            Column("T", "steps"),
            *latency_columns(self.phases),
            Column(name, unit, digits, note="mean over the samples"),
            Column("difference", unit, digits, note="to the source network's"),
            Column("deviation", "%", 2, note="RMS distance from the source network's output, over that output's RMS"),
        )
        rows = tuple(
            (
                t,
                *latencies(self.phases, t),
                self.values[t - 1],
                None if source is None else self.values[t - 1] - source,
                self.deviation[t - 1] if self.deviation else None,
            )
            for t in at or range(1, len(self.values) + 1)
        )
        words = "" if source is None else f" The source network reaches {source:.{digits}f} {unit}".rstrip() + "."
        return Table(f"{name} over time", columns, rows, caption=f"{self.samples} samples.{words}")


@torch.inference_mode()
def metric_over_time(
    model: Timed,
    batches: Iterable[Batch],
    timesteps: int,
    metric: Metric,
    *,
    source: nn.Module | None = None,
    encode: Callable[[Tensor, int], Tensor] = repeat,
    rows: int = 64,
    fabric: Fabric | None = None,
) -> MetricOverTime:
    """Judge a spiking network's values after every number of steps up to T, from one run of T steps.

    The answer after t steps is the mean output of steps 1..t; otherwise as `accuracy_over_time`.

    Args:
        model: the spiking network, [T, N, ...] -> [T, N, *F].
        batches: pairs of x [N, ...] and the wanted values [N, *F].
        timesteps: T, at least 1.
        metric: `PSNR`, `RMSE`, `MAE`, or `Metric(name, unit, function)`.
        source: the network it came from, for its own metric and the distance to its output.
        encode: x and T -> input [T, N, ...].
        rows: time steps times samples that are run together.
        fabric: sums over its processes when given.

    Raises:
        ArgumentError: if T < 1, the model is no spiking network, or the metric is none.
        DataError: if there is no sample, or a batch holds NaN.
        ShapeError: if targets are not of the shape of the values, or the model cannot take x.

    Example:
        >>> from spikewright.core import Spiking
        >>> from spikewright.neurons import IF
        >>> from spikewright.train import RMSE
        >>> x = torch.tensor([[0.25, 0.75]])
        >>> metric_over_time(Spiking(IF()), [(x, x)], 4, RMSE).values[-1]
        0.0
    """
    who = "metric_over_time"
    check_run(who, model, timesteps, encode, source)
    _check_metric(who, metric)
    phases, judged = model.phases, torch.zeros(timesteps, dtype=torch.float64)
    apart, rest = torch.zeros(timesteps, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    with evaluating(model), evaluating(source):
        for x, y in _targeted(who, batches, model):
            with readable_input(who, x):
                expected = None if source is None else source(x)
                xs = encode(x, phases.steps(timesteps))
                with closing(sums_over_time(model, xs, rows)) as sums:
                    for step, total in enumerate(islice(sums, timesteps)):
                        mean = total / (step + 1)
                        judged[step] += _sum(who, metric, mean, y)
                        if expected is not None:
                            apart[step] += float((mean - expected).double().square().sum())
            if expected is not None:
                rest[0] += _sum(who, metric, expected, y)
                rest[1] += float(expected.double().square().sum())
            rest[2] += len(x)
    judged, apart, rest = (together(part, fabric) for part in (judged, apart, rest))
    of_source, power, samples = rest.tolist()
    if not samples:
        raise DataError(f"{who}: got no sample; expected at least one batch. Check the data and the split.")
    values = tuple((judged / samples).tolist())
    if source is None:
        return MetricOverTime(metric, int(samples), values, phases=phases)
    return MetricOverTime(
        metric, int(samples), values, tuple((apart / power).sqrt().tolist()), of_source / samples, phases
    )


def _targeted(who: str, batches: Iterable[Batch], model: nn.Module) -> Iterator[Batch]:
    """The batches that hold something, on the model's device, each of x and as many finite targets."""
    for x, y in checked_batches(who, batches):
        if y.ndim == 0 or len(y) != len(x):
            met = f"{len(x)} samples and targets of shape {list(y.shape)}"
            raise ShapeError(sentence(who, met, "as many targets as samples, [N, ...]"))
        if not torch.isfinite(y).all():
            raise DataError(sentence(who, "NaN or infinite values in the targets", "finite targets"))
        if len(x):
            yield x.to(device_of(model)), y.to(device_of(model))


def _check_metric(who: str, metric: Metric) -> None:
    if not isinstance(metric, Metric):
        todo = "A function of your own becomes one by Metric(name, unit, function)"
        raise ArgumentError(sentence(f"{who}.metric", named(metric), "PSNR, RMSE, MAE or a Metric", todo))


def _sum(who: str, metric: Metric, values: Tensor, targets: Tensor) -> float:
    """The metric's sum over samples."""
    if values.shape != targets.shape:
        met = f"values of shape {list(values.shape)} and targets of shape {list(targets.shape)}"
        raise ShapeError(sentence(who, met, "targets of the shape of the network's output"))
    each = metric.of(values, targets)
    if not isinstance(each, Tensor) or each.shape != (len(values),):
        met = f"{list(each.shape)} numbers" if isinstance(each, Tensor) else named(each)
        raise ArgumentError(
            sentence(
                f"{who}.metric {metric.name}", f"{met} for {len(values)} samples", "one number for each sample, [N]"
            )
        )
    return float(each.double().sum())

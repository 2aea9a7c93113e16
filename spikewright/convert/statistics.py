"""Statistics of activations over calibration data: maximum and percentile, per layer or per channel, in one pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from ..core.errors import ArgumentError, ConversionError, DataError, sentence
from ..core.input_error import readable_input
from .operations import Site

Groups = Callable[[Tensor], Tensor]
"""Activation [N, *F] -> values [G, n]: which values share one number."""


def per_layer(a: Tensor) -> Tensor:
    """All values of a layer together: [N, *F] -> [1, n]."""
    return a.reshape(1, -1)


def per_channel(a: Tensor) -> Tensor:
    """The values of each channel (axis 1) together: [N, C, ...] -> [C, n]."""
    return a.transpose(0, 1).reshape(a.shape[1], -1)


class Measure(ABC):
    """A running measurement over batches."""

    @abstractmethod
    def update(self, values: Tensor) -> None:
        """Take in the values [G, n] of one batch, at least 0."""

    @abstractmethod
    def result(self) -> Tensor:
        """The statistic of each group, [G]."""


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC):
    """What to measure of the activation at a site.

    Args:
        groups: `per_layer` or `per_channel`.
    """

    groups: Groups = per_layer

    @abstractmethod
    def begin(self, who: str) -> Measure:
        """A new measurement for the site of that name."""


@dataclass(frozen=True, kw_only=True)
class Maximum(Statistic):
    """The largest activation.

    Source: Diehl et al. 2015, "Fast-classifying, high-accuracy spiking deep networks", IJCNN 2015.
    """

    def begin(self, who: str) -> Measure:
        return _RunningMaximum()


class _RunningMaximum(Measure):
    def __init__(self) -> None:
        self.top: Tensor | None = None

    def update(self, values: Tensor) -> None:
        top = values.amax(1)
        self.top = top if self.top is None else torch.maximum(self.top, top)

    def result(self) -> Tensor:
        if self.top is None:
            raise DataError("Maximum: got no value; expected at least one batch.")
        return self.top


@dataclass(frozen=True, kw_only=True)
class Percentile(Statistic):
    """A high percentile of the activations, zeros included, to within 1/2048 of the largest one.

    Args:
        percentile: 0..100, e.g. 99.9: the value that this share of all activations does not exceed.
        groups: `per_layer` or `per_channel`.

    Source: Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to efficient event-driven
        networks", Frontiers in Neuroscience 11:682, section 2.2.2 ("robust normalization").
    """

    percentile: float = 99.9

    def __post_init__(self) -> None:
        if not 0 < self.percentile <= 100:
            raise ArgumentError(
                sentence("Percentile.percentile", repr(self.percentile), "a number above 0, at most 100")
            )

    def begin(self, who: str) -> Measure:
        return _RunningHistogram(self.percentile / 100, who)


class _RunningHistogram(Measure):
    """Counts zeros, and the rest in equal bins; when a larger value arrives the range doubles and bins merge."""

    BINS = 4096
    SMALLEST = 2.0**-64  # range of the first batch if it holds only zeros

    def __init__(self, share: float, who: str) -> None:
        self.share, self.who = share, who
        self.zeros: Tensor | None = None  # [G]
        self.counts = torch.empty(0)  # [G, BINS]
        self.upper = 0.0

    def update(self, values: Tensor) -> None:
        top = float(values.max())
        if self.zeros is None:
            self.zeros = torch.zeros(len(values), dtype=torch.float64)
            self.counts = torch.zeros(len(values), self.BINS, dtype=torch.float64)
            self.upper = max(self.SMALLEST, 2.0 ** math.ceil(math.log2(top))) if top > 0 else self.SMALLEST
        while top > self.upper:
            merged = self.counts.view(len(self.counts), -1, 2).sum(2)
            self.counts = torch.cat([merged, torch.zeros_like(merged)], 1)
            self.upper *= 2
        # a value on an edge belongs to the bin below, so that "not exceeding" holds at the bin's upper edge
        bins = (values * (self.BINS / self.upper)).ceil_().clamp_(0, self.BINS).long().cpu()  # 0 holds the zeros
        offset = torch.arange(len(bins)).unsqueeze(1) * (self.BINS + 1)
        counts = torch.bincount((bins + offset).flatten(), minlength=len(bins) * (self.BINS + 1))
        counts = counts.view(len(bins), -1)
        self.zeros += counts[:, 0]
        self.counts += counts[:, 1:]

    def result(self) -> Tensor:
        if self.zeros is None:
            raise DataError(f"{self.who}: got no value; expected at least one batch.")
        counts = torch.cat([self.zeros.unsqueeze(1), self.counts], 1)
        total = counts.sum(1, keepdim=True)
        needed = 1 / (1 - self.share) if self.share < 1 else 1
        if float(total.min()) < needed * (1 - 1e-9):
            raise DataError(
                f"{self.who}: got {int(total.min())} values per group for the {100 * self.share:g}th percentile; "
                f"expected at least {math.ceil(needed - 1e-6)}. Give more calibration samples, a lower percentile, "
                "or Maximum."
            )
        # 99.9 / 100 * 1000 is a little above 999 in floating point, and must not ask for the 1000th value
        reached = counts.cumsum(1) >= self.share * total * (1 - 1e-12)
        return (reached.to(torch.int64).argmax(1) * (self.upper / self.BINS)).float()


Reading = Callable[[Site], tuple[fx.Node, Callable[[Tensor], Tensor]]]
"""A site -> the node whose output is measured, and the values, at least 0, that are taken from that output."""


def positive_output(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gives, where it is above 0."""
    return site.node, lambda a: a.clamp(min=0)


def size_of_input(site: Site) -> tuple[fx.Node, Callable[[Tensor], Tensor]]:
    """What a site gets, of either sign."""
    return site.node.all_input_nodes[0], torch.abs


@dataclass(frozen=True)
class At:
    """Which statistic to take at which sites, and of what."""

    matches: Callable[[Site], bool]
    statistic: Statistic
    reading: Reading = positive_output


def at(matches: Callable[[Site], bool], statistic: Statistic) -> tuple[At, ...]:
    """A recipe's answer to "what shall be measured where"."""
    return (At(matches, statistic),)


class WatchedRun(fx.Interpreter):
    """Runs a graph and shows the output of chosen nodes."""

    def __init__(self, graph: fx.GraphModule, see: Mapping[fx.Node, Callable[[Tensor], None]]) -> None:
        super().__init__(graph)
        self.extra_traceback = False  # an error's own sentence is enough
        self.see = see

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n in self.see:
            self.see[n](value)
        return value


def images(data: Any) -> Iterable[Tensor]:
    """The image batches of a tensor [N, ...], of an iterable of tensors, or of one of (images, labels)."""
    if isinstance(data, Tensor):
        yield data
        return
    if not isinstance(data, Iterable):
        raise DataError(sentence("calibration", type(data).__name__, "a tensor [N, ...] or an iterable of batches"))
    for batch in data:
        yield batch[0] if isinstance(batch, tuple | list) else batch


@torch.no_grad()
def measure(graph: fx.GraphModule, wanted: Iterable[tuple[Site, At]], data: Any) -> dict[str, Tensor]:
    """Run calibration data through a network and measure chosen activations.

    Args:
        graph: a traced network in `eval()`.
        wanted: sites and what to measure there.
        data: tensor [N, ...], or iterable of batches (images alone or with labels).

    Returns:
        Site name -> thresholds, shaped to broadcast over [N, *F]: [] per layer, [C, 1, ...] per channel. A channel
        whose statistic is 0 takes its layer's largest.

    Raises:
        DataError: without data, with too little for the statistic, or with NaN or infinite values in it.
        ShapeError: if the network cannot take the images.
        ConversionError: if a layer is never active.
    """
    rows = [(site.name, *where.reading(site), where.statistic) for site, where in wanted]
    measures = {name: statistic.begin(name) for name, _, _, statistic in rows}
    shapes: dict[str, tuple[int, ...]] = {}

    def see(name: str, values_of: Callable[[Tensor], Tensor], groups: Groups) -> Callable[[Tensor], None]:
        def take(a: Tensor) -> None:
            if not torch.isfinite(a).all():
                raise DataError(
                    f"calibration: {name} holds NaN or infinite values; the input or the weights are broken."
                )
            shapes[name] = tuple(a.shape[1:])
            measures[name].update(groups(values_of(a.detach().float())))

        return take

    watched: dict[fx.Node, list[Callable[[Tensor], None]]] = {}
    for name, node, values_of, statistic in rows:
        watched.setdefault(node, []).append(see(name, values_of, statistic.groups))
    observer = WatchedRun(graph, {node: partial(_each, seen) for node, seen in watched.items()})
    samples = 0
    for number, x in enumerate(images(data)):
        if not isinstance(x, Tensor) or not x.is_floating_point():
            met = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            raise DataError(
                sentence("calibration", met, "floating-point image batches [N, ...]", "Convert with x.float() / 255")
            )
        if not torch.isfinite(x).all():
            raise DataError(
                sentence("calibration", f"NaN or infinite values in batch {number}", "finite images", "Check the data")
            )
        if x.shape[0]:
            with readable_input("calibration", x):
                observer.run(x.to(_device(graph)))
        samples += x.shape[0]
    if not samples:
        raise DataError(
            sentence("calibration", "no sample", "at least one batch of images", "Check the loader and its split")
        )
    return {
        name: _threshold(name, measures[name].result(), shapes[name], statistic.groups)
        for name, _, _, statistic in rows
    }


def _each(takers: Iterable[Callable[[Tensor], None]], a: Tensor) -> None:
    for take in takers:
        take(a)


def _threshold(name: str, values: Tensor, shape: tuple[int, ...], groups: Groups) -> Tensor:
    largest = values.max()
    if not largest > 0:
        raise ConversionError(
            f"{name}: is never, or too rarely, active on the calibration data, so it has no threshold. Calibrate on "
            "more or other images, check their scaling, take a higher percentile or Maximum, or remove the dead layer."
        )
    values = torch.where(values > 0, values, largest)
    return values[0] if groups is per_layer else values.view(-1, *[1] * (len(shape) - 1))


def _device(graph: fx.GraphModule) -> torch.device:
    return next((tensor.device for tensor in graph.parameters()), torch.device("cpu"))

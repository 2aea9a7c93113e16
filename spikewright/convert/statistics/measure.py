"""measure(graph, wanted, data): run calibration data through a network once and take statistics at chosen sites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils.data import IterableDataset

from ...core.errors import ConversionError, DataError, sentence
from ...core.input_error import readable_input
from ...core.processes import Processes, together
from ..operations import Site
from .groups import Groups
from .statistic import At, broken_values

BATCH = 100
"""Images per forward pass where the data does not come in batches."""
FLOATS = "Convert pixels with torch.as_tensor(x).float() / 255; a single batch with labels is [(images, labels)]"
"""What to do about images that are no floating-point tensors."""


class Thresholds(dict[str, Tensor]):
    """Site name -> thresholds, and how they were measured.

    Args:
        samples: how many samples they were measured on.
    """

    def __init__(self, found: Mapping[str, Tensor], samples: int) -> None:
        super().__init__(found)
        self.samples = samples


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


def images(data: Any) -> Iterator[Tensor]:
    """The image batches of calibration data.

    Args:
        data: tensor [N, ...]; iterable of batches, as a DataLoader; or data set that gives one sample at a time. A
            batch or sample is an image tensor, or a tuple or list that begins with one.
    """
    if isinstance(data, Tensor):
        yield from data.split(BATCH) if data.dim() else [data]
    elif isinstance(data, IterableDataset):
        yield from _stacked(iter(data))
    elif isinstance(data, Iterable):
        yield from map(_image, data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        yield from _stacked(data[place] for place in range(len(data)))
    else:
        allowed = "a tensor [N, ...], an iterable of batches or a data set"
        raise DataError(sentence("calibration", type(data).__name__, allowed))


def _image(part: Any) -> Any:
    return part[0] if isinstance(part, tuple | list) and part else part


def _stacked(samples: Iterator[Any]) -> Iterator[Tensor]:
    """Samples one by one -> batches."""
    while part := [_image(sample) for sample in islice(samples, BATCH)]:
        for x in part:
            if not isinstance(x, Tensor) or x.shape != part[0].shape:
                met = f"a sample of shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
                todo = "Add a transform to the data set that gives tensors of one size"
                raise DataError(sentence("calibration", met, "samples that are tensors of one shape", todo))
        yield torch.stack(part)


@torch.no_grad()
def measure(
    graph: fx.GraphModule, wanted: Iterable[tuple[Site, At]], data: Any, processes: Processes | None = None
) -> Thresholds:
    """Run calibration data through a network and measure chosen activations.

    Args:
        graph: a traced network in `eval()`.
        wanted: sites and what to measure there.
        data: see `images`.
        processes: others that run other data through the same network; the thresholds are those of all data.

    Returns:
        Site name -> thresholds, shaped to broadcast over [N, *F]: [] per layer, [C, 1, ...] per channel, [*F] per
        neuron, [D] per feature. A group whose statistic is 0 takes its layer's largest.

    Raises:
        DataError: without data, with too little for the statistic, or with NaN or infinite values in it.
        ShapeError: if the network cannot take the images.
        ConversionError: if a layer is never active.
    """
    rows = [(site.name, *where.values(site), where.statistic) for site, where in wanted]
    measures = {name: statistic.begin(name) for name, _, _, statistic in rows}
    shapes: dict[str, tuple[int, ...]] = {}

    def see(name: str, values_of: Callable[[Tensor], Tensor], groups: Groups) -> Callable[[Tensor], None]:
        def take(a: Tensor) -> None:
            a = a.detach().float()
            measure = measures[name]
            if a.numel() and not measure.refuses_broken and not torch.stack(torch.aminmax(a)).isfinite().all():
                raise broken_values(name)
            shapes[name] = tuple(a.shape[1:])
            measure.update(groups(values_of(a)))

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
                sentence("calibration", met, "floating-point image batches [N, ...], as torch tensors", FLOATS)
            )
        if not torch.isfinite(x).all():
            raise DataError(
                sentence("calibration", f"NaN or infinite values in batch {number}", "finite images", "Check the data")
            )
        if x.shape[0]:
            with readable_input("calibration", x):
                observer.run(x.to(_device(graph)))
        samples += x.shape[0]
    if not int(together(torch.tensor(samples), processes, "min")):
        raise DataError(
            sentence("calibration", "no sample", "at least one batch of images", "Check the loader and its split")
        )
    if processes is not None and processes.world_size > 1:
        samples = int(together(torch.tensor(samples), processes))
        for name, _, _, _ in rows:
            measures[name].merge(processes)
    found = {
        name: threshold_of(name, measures[name].result(), shapes[name], statistic.groups)
        for name, _, _, statistic in rows
    }
    return Thresholds(found, samples)


def _each(takers: Iterable[Callable[[Tensor], None]], a: Tensor) -> None:
    for take in takers:
        take(a)


def threshold_of(name: str, values: Tensor, features: tuple[int, ...], groups: Groups) -> Tensor:
    """The statistics of a site's groups [G] -> its thresholds, shaped to broadcast over [N, *F].

    Raises:
        ConversionError: if none is above 0.
    """
    largest = values.max()
    if not largest > 0:
        raise ConversionError(
            f"{name}: is never, or too rarely, active on the calibration data, so it has no threshold. Calibrate on "
            "more or other images, check their scaling, take a higher percentile or Maximum, or remove the dead layer."
        )
    return groups.spread(torch.where(values > 0, values, largest), features)


def _device(graph: fx.GraphModule) -> torch.device:
    return next((tensor.device for tensor in graph.parameters()), torch.device("cpu"))

"""Start potentials of single sites: set by hand, or fitted to data so that each layer is nearest to its source at T."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, fx

from ..coding.encode import repeat
from ..core.arguments import named
from ..core.errors import ArgumentError, ConversionError, DataError, sentence
from ..core.input_error import readable_input
from ..core.neuron import Neuron
from ..core.temporal import fold, told, unfold
from ..neurons.if_ import IF
from .recipe import Conversion
from .rules import Replaced, sites
from .statistics import GROUPS, Groups, WatchedRun, images, per_channel
from .statistics.measure import FLOATS


def set_start(graph: fx.GraphModule, replaced: Sequence[Replaced], site: str, start: Tensor) -> None:
    """Give the neuron of a site another start potential, in units of its threshold.

    Raises:
        ConversionError: if there is no neuron with a start potential at the site.
        ArgumentError: if the potential is not finite.
    """
    having = {row.site: graph.get_submodule(row.path) for row in replaced}
    having = {name: part for name, part in having.items() if "start" in dict(part.named_buffers(recurse=False))}
    if site not in having:
        raise ConversionError(
            sentence(f"starts[{site!r}]", "a site without a start potential", f"one of {', '.join(having) or 'none'}")
        )
    if not torch.isfinite(start).all():
        raise ArgumentError(sentence(f"starts[{site!r}]", "NaN or infinity", "finite numbers"))
    like = having[site].get_buffer("start")
    having[site].register_buffer("start", start.detach().to(like.device, like.dtype))


@dataclass(frozen=True, kw_only=True)
class FittedStart:
    """Start potentials from data: for every site the candidate with the smallest squared error at T.

    Args:
        timesteps: T at which the mean output is compared with the source's activation.
        groups: `per_layer`, `per_channel`, `per_neuron` or `per_feature`: which neurons share a start.
        candidates: number of start potentials tried, evenly spaced from `lowest` to `highest`.
        lowest, highest: ends of the range, in units of the threshold.
        images: how many of the calibration images are used, from the first on.
    """

    timesteps: int = 8
    groups: Groups = per_channel
    candidates: int = 17
    lowest: float = 0.0
    highest: float = 1.0
    images: int = 50

    def __post_init__(self) -> None:
        for name, least in (("timesteps", 1), ("candidates", 2), ("images", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(sentence(f"FittedStart.{name}", repr(value), f"a whole number of at least {least}"))
        if not isinstance(self.groups, Groups):
            raise ArgumentError(sentence("FittedStart.groups", named(self.groups), f"one of {', '.join(GROUPS)}"))
        ends = (self.lowest, self.highest)
        if not all(isinstance(end, Real) for end in ends) or not -1e6 < self.lowest < self.highest < 1e6:
            met = f"{self.lowest!r} and {self.highest!r}"
            raise ArgumentError(sentence("FittedStart.lowest", met, "finite numbers, lowest below highest"))


@torch.no_grad()  # not inference_mode: the copy that is returned may be trained
def fit_starts(conversion: Conversion, calibration: Any, fitted: FittedStart | None = None) -> Conversion:
    """Find the start potential of every IF neuron from training images, layer after layer.

    Each layer gets the spikes of the layers before it, whose starts are fitted already, and is compared with the
    source's activation; so a start also makes up for errors that its layer inherits. Neurons that correct themselves
    (`SRP`, `COS`) are fitted as plain IF neurons.

    Args:
        conversion: any conversion; it stays as it is.
        calibration: training images, as for `convert`. Never the images that the result is judged on.
        fitted: how to fit; the defaults if not given.

    Returns:
        A conversion whose `starts` hold the fitted potentials.

    Raises:
        ArgumentError: for an argument of the wrong kind.
        ConversionError: if no neuron has a threshold and a start potential.
        DataError: if there is no image, or one holds NaN.

    Source: Bu et al. 2022, AAAI 2022, arXiv 2202.01440, for the choice of a start by its error.
        Differs: the paper derives 1/2 for inputs spread evenly over a threshold; here the data decide.

    Example:
        >>> from torch import nn
        >>> from spikewright.convert import OPI, convert
        >>> net, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.rand(64, 4)
        >>> _ = nn.init.constant_(net[0].bias, 1.0)  # no neuron is dead, whatever the weights
        >>> fitted = fit_starts(convert(net, OPI(), torch.rand(2000, 4)), x, FittedStart(timesteps=2))
        >>> fitted.starts["1"].shape
        torch.Size([3])
    """
    if not isinstance(conversion, Conversion):
        raise ArgumentError(sentence("fit_starts.conversion", named(conversion), "what convert() returns"))
    if not isinstance(fitted, FittedStart | None):
        raise ArgumentError(sentence("fit_starts.fitted", named(fitted), "FittedStart(...) or None"))
    how = fitted or FittedStart()
    x = _first_images(calibration, how.images)
    x = x.to(next((part.device for part in conversion.model.parameters()), x.device))
    neurons = {site: part for site, part in conversion.neurons().items() if _fits(part)}
    if not neurons:
        raise ConversionError(
            sentence(
                "fit_starts",
                "a conversion without start potentials",
                "neurons with a threshold and a start",
                "Signed neurons, which leaky ReLUs become, have none: use the conversion as it is",
            )
        )
    nodes = {site.node: site.name for site in sites(conversion.source) if site.name in neurons}
    wanted: dict[str, Tensor] = {}
    with readable_input("fit_starts", x):
        WatchedRun(conversion.source, {node: partial(wanted.__setitem__, name) for node, name in nodes.items()}).run(x)
    paths = {row.path: row.site for row in conversion.replaced if row.site in neurons}
    run = _FittingRun(conversion.model.module, paths, wanted, how)  # pyright: ignore[reportArgumentType]
    with told(conversion.model.module, how.timesteps):
        run.run(fold(repeat(x, how.timesteps)))
    starts = {site: start.clone() for site, start in run.starts.items()}
    model = copy.deepcopy(conversion.model)
    for site, start in starts.items():
        set_start(model.module, conversion.replaced, site, start)  # pyright: ignore[reportArgumentType]
    return replace(conversion, model=model, starts={**conversion.starts, **starts})


def best_start(xs: Tensor, a: Tensor, *, v_threshold: Tensor, candidates: Tensor, groups: Groups) -> Tensor:
    """The candidate start whose mean output is nearest to an activation, for each group of neurons.

    Args:
        xs: input of the neurons, [T, N, *F].
        a: activation of the source, [N, *F].
        v_threshold: threshold, broadcastable to [N, *F]; it is also what a spike delivers.
        candidates: start potentials in units of the threshold.
        groups: which neurons share a start.

    Returns:
        Shaped to broadcast over [N, *F], e.g. [] per layer, [C, 1, ...] per channel. Of equal candidates the one
        nearest to 1/2.
    """
    order = candidates[(candidates - 0.5).abs().argsort(stable=True)]
    errors = []
    for start in order:
        out = IF(v_threshold=v_threshold, amplitude=v_threshold, start=start).over_time(xs).mean(0)
        errors.append(groups((out - a).square()).flatten(1).sum(1))
    best = order.to(a)[torch.stack(errors).argmin(0)]
    return groups.spread(best, a.shape[1:])


class _FittingRun(fx.Interpreter):
    """Runs a converted graph and replaces each neuron on the way by an IF neuron with the best start."""

    def __init__(
        self, graph: fx.GraphModule, paths: Mapping[str, str], wanted: Mapping[str, Tensor], how: FittedStart
    ) -> None:
        super().__init__(graph)
        self.extra_traceback = False
        self.paths, self.wanted, self.how = paths, wanted, how
        self.starts: dict[str, Tensor] = {}

    def call_module(self, target: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        site = self.paths.get(str(target))
        if site is None:
            return super().call_module(target, args, kwargs)
        how, xs = self.how, unfold(args[0], self.how.timesteps)
        v_threshold = self.fetch_attr(str(target)).get_buffer("v_threshold").to(xs.dtype)
        candidates = torch.linspace(how.lowest, how.highest, how.candidates)
        start = best_start(xs, self.wanted[site], v_threshold=v_threshold, candidates=candidates, groups=how.groups)
        self.starts[site] = start
        neuron = IF(v_threshold=v_threshold, amplitude=v_threshold, start=start).to(xs.device)
        return fold(neuron.over_time(xs))


def _fits(neuron: Neuron) -> bool:
    constants = dict(neuron.named_buffers(recurse=False))
    return neuron.levels == (0.0, 1.0) and {"v_threshold", "start"} <= set(constants)


def _first_images(calibration: Any, count: int) -> Tensor:
    taken: list[Tensor] = []
    for batch in images(calibration):
        if not isinstance(batch, Tensor) or not batch.is_floating_point():
            met = str(batch.dtype) if isinstance(batch, Tensor) else type(batch).__name__
            allowed = "floating-point image batches [N, ...], as torch tensors"
            raise DataError(sentence("fit_starts", met, allowed, FLOATS))
        taken.append(batch[: count - sum(map(len, taken))])
        if sum(map(len, taken)) >= count:
            break
    if not sum(map(len, taken)):
        raise DataError(sentence("fit_starts", "no image", "at least one batch of training images"))
    x = torch.cat(taken)
    if not torch.isfinite(x).all():
        raise DataError(sentence("fit_starts", "NaN or infinite values in an image", "finite images", "Check the data"))
    return x

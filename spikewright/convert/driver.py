"""prepare() and convert(): the only place that knows the order of the phases of a conversion."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from numbers import Real
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..core.arguments import check_leaves, check_module, named
from ..core.batch_norm import fold_batch_norm
from ..core.errors import ArgumentError, ConversionError, sentence
from ..core.params import param
from ..core.processes import Processes
from ..core.spiking import Spiking
from ..core.trace import trace
from ..core.warn import warn
from .advice import advice
from .expand import expanded
from .layers import TRAINED
from .recipe import AnyThreshold, Conversion, Recipe
from .rules import Replaced, Rule, audit, rewrite, sites, unhandled
from .sizes import settle_sizes
from .start import set_start
from .statistics import images, measure


def check_recipe(recipe: object, who: str) -> None:
    """Raise ArgumentError unless it is a recipe: an instance, not the class or its name."""
    if not isinstance(recipe, Recipe):
        raise ArgumentError(
            sentence(f"{who}.recipe", named(recipe), "a recipe, e.g. OPI()", "The order is model, recipe, images")
        )


def check_arguments(model: object, recipe: object, leaves: object, who: str) -> None:
    """Raise ArgumentError unless these are a network, a recipe and a tuple of classes."""
    check_module(model, f"{who}.model", "The order is model, recipe, images")
    check_recipe(recipe, who)
    check_leaves(leaves, f"{who}.leaves")


class Calibration:
    """Calibration data whose first batch can be looked at, also where the data can be gone through only once."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def first(self) -> Tensor | None:
        """The images of the first batch, if there is one."""
        head = self.batches
        if isinstance(head, Iterator):
            head = list(islice(head, 1))
            self.batches = chain(head, self.batches)
        return None if head is None else next(iter(images(head)), None)


def traced(model: nn.Module, leaves: Sequence[type[nn.Module]], example: Callable[[], Tensor | None]) -> fx.GraphModule:
    """The graph of a network; the example is asked for, and decides on shapes, only where tracing fails without."""
    try:
        return trace(model, leaves=(*TRAINED, *leaves))
    except ConversionError:
        batch = example()
        if batch is None:
            raise
        return trace(model, leaves=(*TRAINED, *leaves), example=batch)


def trace_for_inference(
    model: nn.Module, leaves: Sequence[type[nn.Module]] = (), example: Callable[[], Tensor | None] = lambda: None
) -> fx.GraphModule:
    """The graph of a network as it is in `eval()`; the network itself stays as it is."""
    graph = traced(expanded(model).eval(), leaves, example)
    settle_sizes(graph, example)
    return graph


def prepare(
    model: nn.Module, recipe: Recipe, *, leaves: Sequence[type[nn.Module]] = (), example: Tensor | None = None
) -> fx.GraphModule:
    """The network as a method wants it trained, e.g. every ReLU a QCFS activation; the model itself stays as it is.

    Args:
        model: an ordinary network.
        recipe: the conversion method.
        leaves: classes of modules to keep whole.
        example: images [N, ...] that settle decisions on shapes, for a network that cannot be traced without.

    Returns:
        A new network with the model's weights under the same names, ready to train.

    Raises:
        ConversionError: if the network cannot be traced, or the method replaces nothing in it.
    """
    return prepared(model, recipe, leaves, example, "prepare")[0]


def prepared(
    model: nn.Module, recipe: Recipe, leaves: Sequence[type[nn.Module]], example: Tensor | None, who: str
) -> tuple[fx.GraphModule, list[Replaced]]:
    """What `prepare` returns, and what was replaced in it."""
    check_arguments(model, recipe, leaves, who)
    graph = traced(model, leaves, lambda: example)
    like = next(graph.parameters(), torch.empty(()))
    rules = recipe.prepare()
    replaced = rewrite(graph, rules)
    if rules and not replaced:
        raise ConversionError(
            f"{type(recipe).__name__}: found nothing to prepare in {type(model).__name__}; expected at least one of: "
            f"{', '.join(rule.name for rule in rules)}. Check which activations it uses with `spikewright check`."
        )
    for row in replaced:
        graph.get_submodule(row.path).to(like.device, torch.promote_types(like.dtype, torch.float32))
    left = unhandled(graph, recipe.rules(AnyThreshold()))
    if left:
        lines = "; ".join(f"{site.name} ({site.kind}): {advice(site)}" for site in left)
        warn(
            f"{who}: {type(recipe).__name__} has no rule for {len(left)} operation{'s' * (len(left) > 1)}, and the "
            f"conversion will refuse what is still there after training: {lines}"
        )
    return graph, replaced


def convert(
    model: nn.Module,
    recipe: Recipe,
    calibration: Any = None,
    *,
    thresholds: Mapping[str, Tensor] | None = None,
    starts: Mapping[str, Tensor | float] | None = None,
    extra: Sequence[Rule] = (),
    allow: Collection[str] = (),
    leaves: Sequence[type[nn.Module]] = (),
    example: Tensor | None = None,
    fabric: Processes | None = None,
) -> Conversion:
    """Turn a trained network into a spiking one; the network itself stays as it is.

    Args:
        model: trained network, one tensor [N, ...] in, one [N, K] out; it is converted as in `eval()`.
        recipe: the conversion method.
        calibration: training images for methods that measure: a tensor [N, ...], an iterable of batches, or a data
            set (images, or images and labels). Never the images that the result is judged on.
        thresholds: site -> threshold, from an earlier conversion; replaces calibration.
        starts: site -> membrane potential before the first step, in units of the threshold, number or tensor
            broadcastable to [N, *F]; the other sites keep the recipe's.
        extra: rules tried before the recipe's own.
        allow: names of sites to leave as they are, though they are not linear or a rule would replace them.
        leaves: classes of modules to keep whole.
        example: images [N, ...] that settle decisions on shapes, for a network that cannot be traced without; by
            default the first batch of the calibration.
        fabric: several processes, each of which calls this with its own share of the calibration: thresholds are those
            of all images, the same in each of them.

    Raises:
        ArgumentError: for an argument of the wrong kind, e.g. the class of a recipe.
        ConversionError: if the network cannot be traced, an operation is handled by no rule, or data is missing.
        DataError: if the calibration data is empty, too small or broken.

    Example:
        >>> from spikewright.convert.recipes import OPI
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = convert(net, OPI(), torch.rand(256, 1, 2, 2)).model
        >>> snn(torch.rand(5, 3, 1, 2, 2)).shape
        torch.Size([5, 3, 2])
    """
    check_arguments(model, recipe, leaves, "convert")
    if isinstance(model, Spiking):
        raise ArgumentError(sentence("convert.model", "Spiking", "an ordinary network", "This one spikes already"))
    if isinstance(allow, str):
        raise ArgumentError(sentence("convert.allow", repr(allow), f"a tuple of names, e.g. ({allow!r},)"))
    if not isinstance(thresholds, Mapping | None):
        raise ArgumentError(sentence("convert.thresholds", named(thresholds), "site -> threshold, or None"))
    if not isinstance(starts, Mapping | None) or not all(isinstance(v, Tensor | Real) for v in (starts or {}).values()):
        raise ArgumentError(sentence("convert.starts", named(starts), "site -> number or tensor, or None"))
    if isinstance(extra, str) or not isinstance(extra, Sequence) or not all(isinstance(rule, Rule) for rule in extra):
        met = ", ".join(map(named, extra)) if isinstance(extra, tuple | list) else named(extra)
        raise ArgumentError(sentence("convert.extra", met, "a tuple of rules, e.g. (max_pool_to_average,)"))
    name = type(recipe).__name__
    data = Calibration(calibration)
    source = trace_for_inference(model, leaves, data.first if example is None else lambda: example)
    fold_batch_norm(source)
    source = recipe.arrange(source)
    wanted = [
        (site, where)
        for site in sites(source)
        for where in recipe.statistics()
        if site.depends_on_input and site.name not in allow and where.matches(site)
    ]
    if thresholds is None:
        if wanted and calibration is None:
            raise ConversionError(
                f"{name}: sets thresholds from data at {len(wanted)} sites, but got no calibration data; expected "
                "training images, convert(model, recipe, images), or thresholds=... of an earlier conversion."
            )
        thresholds = measure(source, wanted, data.batches, fabric) if wanted else {}
    missing = [site.name for site, _ in wanted if site.name not in thresholds]
    if missing:
        raise ConversionError(
            f"{name}: thresholds lack site {missing[0]!r} ({len(missing)} in all); expected one for every activation. "
            "Use the thresholds of a conversion of this network, or calibrate anew."
        )
    graph = copy.deepcopy(source)
    replaced = rewrite(graph, (*extra, *recipe.rules(thresholds)), skip=allow)
    audit(graph, name, allow=allow, no_neurons=recipe.no_neurons)
    given = {site: param(start) for site, start in (starts or {}).items()}
    for site, start in given.items():
        set_start(graph, replaced, site, start)
    spiking = Spiking(graph).eval()
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    return Conversion(spiking.to(device), source, recipe, tuple(replaced), copy.copy(thresholds), given)

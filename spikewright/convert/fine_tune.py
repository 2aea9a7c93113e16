"""prepare_trained(): a network trained with ReLU becomes the one that a method trains, its thresholds set from data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..core.errors import ArgumentError, ConversionError, sentence
from ..core.processes import Processes
from .driver import Calibration, prepared, traced
from .layers import TRAINED
from .neuron_recipe import TrainedRecipe
from .recipe import Recipe
from .rules import rewrite, sites
from .statistics import At, ErrorOptimal, Statistic, check_statistic, measure, per_layer


def prepare_trained(
    model: nn.Module,
    recipe: Recipe,
    calibration: Any,
    *,
    statistic: Statistic | None = None,
    leaves: Sequence[type[nn.Module]] = (),
    example: Tensor | None = None,
    fabric: Processes | None = None,
) -> fx.GraphModule:
    """The network as a method wants it trained, see `prepare`, near to what the trained network computes already.

    Each activation's threshold is a statistic of the output of the ReLU in whose place it stands, with the method's
    pools around it. Thresholds are not to be left at the method's start value here: far above the activations, it
    rounds most of them to 0.

    Args:
        model: a network trained with ReLU.
        recipe: the conversion method, one that trains thresholds, e.g. `QCFS(levels=4)`.
        calibration: training images: a tensor [N, ...], an iterable of batches, or a data set.
        statistic: of a layer; by default `ErrorOptimal` with as many steps as the activation has levels (8 if it has
            none), the threshold with the least squared difference between ReLU and activation.
        leaves: classes of modules to keep whole.
        example: images [N, ...] that settle decisions on shapes, for a network that cannot be traced without; by
            default the first batch of the calibration.
        fabric: several processes, each with its own share of the calibration, see `convert`.

    Returns:
        A new network with the model's weights under the same names, ready to be trained further.

    Raises:
        ArgumentError: for a statistic of each channel: an activation trains one threshold.
        ConversionError: if the network cannot be traced, the method trains no threshold, or a ReLU is never active.
        DataError: if the calibration data is empty, too small or broken.

    Example:
        >>> from spikewright.convert.recipes import QCFS
        >>> from spikewright.convert.statistics import Maximum
        >>> net = nn.Sequential(nn.Flatten(), nn.ReLU())
        >>> ready = prepare_trained(net, QCFS(levels=4), torch.tensor([[-1.0], [3.0]]), statistic=Maximum())
        >>> ready(torch.tensor([[-1.0], [1.0], [3.0]])).tolist()
        [[0.0], [0.75], [3.0]]
    """
    if statistic is None:
        levels = recipe.levels if isinstance(recipe, TrainedRecipe) else 8
        statistic = ErrorOptimal(timesteps=levels)
    check_statistic(statistic, "prepare_trained.statistic")
    if statistic.groups is not per_layer:
        met = f"{type(statistic).__name__} of other groups than a layer"
        allowed = "groups=per_layer, as an activation trains one threshold"
        raise ArgumentError(sentence("prepare_trained.statistic", met, allowed))
    data = Calibration(calibration)
    if example is None:
        example = data.first()
    ready, replaced = prepared(model, recipe, leaves, example, "prepare_trained")
    paths = {row.site: row.path for row in replaced if isinstance(ready.get_submodule(row.path), TRAINED)}
    if not paths:
        raise ConversionError(
            f"{type(recipe).__name__}: trains no thresholds, so there is nothing to prepare from data; expected a "
            "method that does, e.g. QCFS(levels=4) or OPI(trained_bound=4.0)."
        )
    source = traced(model, leaves, lambda: example).eval()
    with warnings.catch_warnings(action="ignore"):  # what prepare has said of the pools
        rewrite(source, recipe.prepare(), skip=paths)
    where = At(lambda site: site.name in paths, statistic)
    thresholds = measure(source, [(site, where) for site in sites(source) if where.matches(site)], data.batches, fabric)
    with torch.no_grad():
        for site, path in paths.items():
            ready.get_submodule(path).v_threshold.copy_(thresholds[site])  # pyright: ignore
    return ready

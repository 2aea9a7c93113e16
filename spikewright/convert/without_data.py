"""thresholds_without_data(): the thresholds of a network with batch norms, from their parameters alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor, nn

from ..core.errors import ArgumentError, sentence
from .driver import check_arguments, trace_for_inference
from .recipe import Recipe
from .rules import sites
from .statistics import GaussianOptimal, Moments, Thresholds, batch_norm_moments, per_channel, per_layer, threshold_of
from .statistics.batch_norm_moments import known_moments


def thresholds_without_data(
    model: nn.Module,
    recipe: Recipe,
    *,
    allow: Collection[str] = (),
    leaves: Sequence[type[nn.Module]] = (),
    example: Tensor | None = None,
) -> Thresholds:
    """What `convert` would measure on images, for a network whose batch norms tell mean and variance of every ReLU.

    They tell what they saw in training, and sums are taken as of independent parts; see `batch_norm_moments`. The
    thresholds are as good as that: measured ones are better where there are images.

    Args:
        model: trained network, with its batch norms.
        recipe: the conversion method, with a `GaussianOptimal` as threshold, of a layer or of each channel.
        allow: names of sites to leave as they are, as for `convert`.
        leaves: classes of modules to keep whole.
        example: images [N, ...] that settle decisions on shapes, for a network that cannot be traced without.

    Returns:
        Site name -> thresholds, for `convert(model, recipe, thresholds=...)`.

    Raises:
        ArgumentError: for another statistic or other groups.
        ConversionError: if the network cannot be traced, or the input of an activation comes from no batch norm.

    Example:
        >>> from spikewright.convert import OPI, convert
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> recipe = OPI(threshold=GaussianOptimal(timesteps=8, groups=per_channel))
        >>> thresholds = thresholds_without_data(net, recipe)
        >>> thresholds["2"].flatten()
        tensor([2.5512, 2.5512])
        >>> snn = convert(net, recipe, thresholds=thresholds).model
    """
    check_arguments(model, recipe, leaves, "thresholds_without_data")
    source = trace_for_inference(model, leaves, lambda: example)
    source = recipe.arrange(source)
    moments = batch_norm_moments(source)
    found: dict[str, Tensor] = {}
    for site in sites(source):
        for where in recipe.statistics():
            if not site.depends_on_input or site.name in allow or not where.matches(site):
                continue
            statistic = where.statistic
            if not isinstance(statistic, GaussianOptimal) or statistic.groups not in (per_layer, per_channel):
                met = f"{type(recipe).__name__} with {statistic!r}"
                allowed = "a threshold=GaussianOptimal(...) of per_layer or per_channel"
                todo = "Other statistics need images: convert(model, recipe, images)"
                raise ArgumentError(sentence("thresholds_without_data.recipe", met, allowed, todo))
            where.values(site)  # refuses what the statistic does not model
            found[site.name] = _threshold(site.name, known_moments(moments, site), statistic)
    return Thresholds(found, samples=0)


def _threshold(name: str, moments: Moments, statistic: GaussianOptimal) -> Tensor:
    mean, variance = moments.mean, moments.variance
    if statistic.groups is per_layer:
        mean, variance = mean.mean().view(1), (variance.mean() + mean.var(correction=0)).view(1)
    values = statistic.threshold(mean, variance.sqrt()).float()
    return threshold_of(name, values, (len(moments.mean), *[1] * moments.axes), statistic.groups)

"""batch_norm_moments(graph): mean and variance of every activation's input, from batch norms alone, without data."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812

from ...core.errors import ConversionError
from ...core.trace import module_of
from ..linear import NORMS
from ..operations import Site, calls, is_max_pool, is_relu, upper_bound


@dataclass(frozen=True)
class Moments:
    """What is known of an activity's channels.

    Args:
        mean: of each channel, float64 [C].
        variance: of each channel, float64 [C].
        axes: number of axes behind the channels: 2 for [N, C, H, W].
    """

    mean: Tensor
    variance: Tensor
    axes: int


def rectified_moments(mu: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of max(x, 0) for x ~ N(mu, variance).

    With sigma^2 the variance, z = mu / sigma, and phi and Phi the standard normal density and distribution,

        E = mu Phi(z) + sigma phi(z),    E of the square = (mu^2 + sigma^2) Phi(z) + mu sigma phi(z)

    A variance of 0 gives max(mu, 0) and 0.

    Example:
        >>> rectified_moments(torch.zeros(1), torch.ones(1))
        (tensor([0.3989]), tensor([0.3408]))
    """
    sigma = variance.sqrt()
    z = mu / sigma.clamp(min=torch.finfo(mu.dtype).tiny)
    density, share = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi), torch.special.ndtr(z)
    mean = (mu * share + sigma * density).clamp(min=0)
    square = (mu * mu + variance) * share + mu * sigma * density
    return mean, (square - mean * mean).clamp(min=0)


def batch_norm_moments(graph: fx.GraphModule) -> dict[str, Moments | str]:
    """Moments of what every operation with one input gets, as far as batch norms tell.

    * Behind a batch norm a channel has mean beta and variance gamma^2 (less by var / (var + eps), which counts where
      a channel hardly varies), whatever comes before: that is what its running statistics say of the training data.
    * A sum: means and variances add, as of independent parts.
    * A ReLU: the moments of a rectified Gaussian.
    * Identity, dropout, a channel's pixels chosen by stride, channels of zeros added: as they are.
    * A pool: as they are. Of an average pool the mean is right and the variance too high, of a max pool the mean is
      too low.

    Args:
        graph: a traced network in `eval()` whose batch norms are not folded.

    Returns:
        Site name -> moments of its first input; or, in words, which operation they are not known behind.

    Source: the approximation is this project's own; Gaussian inputs are the model of `GaussianOptimal`.
    """
    known: dict[fx.Node, Moments | str] = {}
    found: dict[str, Moments | str] = {}
    for node in graph.graph.nodes:
        site = Site(graph, node)
        if not node.op.startswith("call_"):
            what = "the network's input" if node.op == "placeholder" else node.op
            known[node] = f"{node.name} ({what})"
            continue
        inputs = [known[each] for each in site.activities()]
        if inputs:
            found[site.name] = inputs[0]
        known[node] = _behind(site, inputs)
    return found


def known_moments(moments: dict[str, Moments | str], site: Site) -> Moments:
    """The moments of a site's input.

    Raises:
        ConversionError: if batch norms do not tell them.
    """
    found = moments.get(site.name, site.name)
    if isinstance(found, Moments):
        return found
    raise ConversionError(
        f"{site.name} ({site.kind}): no batch norm tells mean and variance behind {found}; expected activations whose "
        "input comes from a batch norm, directly or over sums, ReLUs and pools. Calibrate on images: "
        "convert(model, recipe, images)."
    )


def _behind(site: Site, inputs: list[Moments | str]) -> Moments | str:
    """What is known of a site's output, or behind which operation it is not."""
    here = f"{site.name} ({site.kind})"
    if isinstance(site.module, NORMS):
        return _behind_norm(site) or here
    unknown = next((each for each in inputs if isinstance(each, str)), None)
    if unknown is not None or not inputs:
        return unknown if _passes_on(site) and unknown is not None else here
    first = cast(Moments, inputs[0])
    if _is_sum(site):
        return _sum(site, cast("list[Moments]", inputs)) or here
    if len(inputs) > 1:
        return here
    if is_relu(site) and upper_bound(site) is None:
        return Moments(*rectified_moments(first.mean, first.variance), first.axes)
    if _keeps(site) or is_max_pool(site) or (_is_slice(site.node) and site.node.args[1]):
        return first if not _drops_channels(site.node) else here
    return (_padded(site.node, first) if site.node.target is F.pad else None) or here


_is_sum = calls(functions=(torch.add, operator.add, operator.iadd), methods=("add",))
_keeps = calls(
    modules=(
        *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
        *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    ),
    functions=(
        *(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
        *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
    ),
    methods=("contiguous", "clone", "detach"),
)


def _passes_on(site: Site) -> bool:
    """Whether what is not known of the input is all that is not known of the output; for the words of an error."""
    return _is_sum(site) or is_relu(site) or _keeps(site) or is_max_pool(site)


def _behind_norm(site: Site) -> Moments | None:
    norm: Any = site.module
    if norm.running_mean is None:
        return None
    var = norm.running_var.detach().double()
    one = torch.ones_like(var)
    gamma = one if norm.weight is None else norm.weight.detach().double()
    beta = 0 * one if norm.bias is None else norm.bias.detach().double()
    axes = {nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}.get(type(norm))
    if axes is None:  # [N, C] or [N, C, L]
        before = module_of(site.graph, site.node.all_input_nodes[0])
        line = type(before) in (nn.Conv1d, nn.ConvTranspose1d)
        if not line and not (type(before) is nn.Linear and before.out_features == norm.num_features):
            return None
        axes = int(line)
    return Moments(beta, gamma**2 * var / (var + norm.eps), axes)


def _sum(site: Site, parts: list[Moments]) -> Moments | None:
    """The moments of a sum of two activities, or of one and a number."""
    node = site.node
    numbers = [arg for arg in node.args if isinstance(arg, int | float)]
    if node.kwargs.get("alpha", 1) != 1 or len(parts) + len(numbers) != 2:
        return None
    if len({(len(part.mean), part.axes) for part in parts}) > 1:
        return None
    mean = torch.stack([part.mean for part in parts]).sum(0) + sum(numbers)
    same = len(parts) == 2 and site.activities()[0] is site.activities()[1]
    variance = torch.stack([part.variance for part in parts]).sum(0) * (2 if same else 1)  # x + x is 2 x
    return Moments(mean, variance, parts[0].axes)


def _is_slice(node: fx.Node) -> bool:
    return node.target is operator.getitem and isinstance(node.args[1], tuple)


def _drops_channels(node: fx.Node) -> bool:
    if not _is_slice(node):
        return False
    index = cast(tuple, node.args[1])
    return not all(isinstance(part, slice) for part in index) or any(part != slice(None) for part in index[:2])


def _padded(node: fx.Node, moments: Moments) -> Moments | None:
    """Channels of zeros before and after; None for any other padding."""
    given = dict(zip(("input", "pad", "mode", "value"), node.args)) | node.kwargs
    pad, mode, value = given["pad"], given.get("mode", "constant"), given.get("value", None)
    place = 2 * moments.axes
    if mode != "constant" or value not in (None, 0) or not isinstance(pad, tuple | list) or len(pad) != place + 2:
        return None
    widths = [width if isinstance(width, int) else -1 for width in pad]
    ends = widths[place:]
    if any(widths[:place]) or min(ends) < 0:
        return None
    return Moments(F.pad(moments.mean, ends), F.pad(moments.variance, ends), moments.axes)

"""is_linear(site): which operations stay as they are, because the mean over time passes through them unchanged."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from ..core.temporal import Temporal
from .operations import Site, calls, depends_on_input

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_linear = calls(
    modules=(
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
        *NORMS,
        *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
        *(nn.AlphaDropout, nn.FeatureAlphaDropout),
        *(nn.Flatten, nn.Unflatten, nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
        *(nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Upsample),
    ),
    functions=(
        *(F.conv1d, F.conv2d, F.conv3d, F.linear, F.pad, F.interpolate),
        *(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
        *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
        *(torch.flatten, torch.unflatten, torch.reshape, torch.permute, torch.transpose),
        *(torch.squeeze, torch.unsqueeze),
        *(torch.add, torch.sub, operator.add, operator.sub, operator.neg, torch.neg),
        *(torch.cat, torch.concat, torch.concatenate, torch.stack, torch.chunk, torch.split),
        *(torch.mean, torch.sum, getattr, operator.getitem),
    ),
    methods=(
        *("flatten", "unflatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous"),
        *("add", "sub", "neg", "mean", "sum", "chunk", "split", "float", "double", "to", "type_as", "clone", "detach"),
    ),
)  # fmt: skip
_weighted = calls(functions=(F.conv1d, F.conv2d, F.conv3d, F.linear))
_joins = calls(functions=(torch.cat, torch.concat, torch.concatenate, torch.stack))
_cuts = calls(functions=(torch.chunk, torch.split), methods=("chunk", "split"))
_reduces = calls(functions=(torch.mean, torch.sum), methods=("mean", "sum"))
_swaps = calls(functions=(torch.transpose,), methods=("transpose",))
_permutes = calls(functions=(torch.permute,), methods=("permute",))
_resizes = calls(functions=(torch.squeeze, torch.unsqueeze), methods=("squeeze", "unsqueeze"))

is_scaling = calls(
    functions=(torch.mul, torch.multiply, torch.div, torch.true_divide, operator.mul, operator.truediv),
    methods=("mul", "multiply", "div"),
)


def is_linear(site: Site) -> bool:
    """Whether the mean over time commutes with the operation (affine in the activity), so that it stays as it is.

    That also asks that the first axis, which holds time and batch, is neither moved, cut nor mixed.
    """
    if not site.depends_on_input or isinstance(site.module, Temporal):
        return True
    if is_scaling(site):
        return len(site.activities()) == 1 and not _divides_by_activity(site.node)
    if isinstance(site.module, NORMS) and site.module.running_mean is None:
        return False
    if _weighted(site) and len(site.activities()) > 1:
        return False
    return _linear(site) and keeps_first_axis(site) and not _rounds(site.node)


def _divides_by_activity(node: fx.Node) -> bool:
    if node.target in (torch.mul, torch.multiply, operator.mul, "mul", "multiply"):
        return False
    divisor = _argument(node, 1, "other")
    by_activity = isinstance(divisor, fx.Node) and depends_on_input(divisor)
    return by_activity or node.kwargs.get("rounding_mode") is not None


def _rounds(node: fx.Node) -> bool:
    given = (*node.args, *node.kwargs.values())
    return any(isinstance(value, torch.dtype) and not value.is_floating_point for value in given)


def keeps_first_axis(site: Site) -> bool:
    """Whether the first axis stays as it is; of a negative axis it is taken for granted that it is another one."""
    node = site.node
    if _reduces(site):
        axes = _argument(node, 1, "dim", "axis")
        axes = axes if isinstance(axes, tuple | list) else (axes,)
        return all(isinstance(axis, int) and axis != 0 for axis in axes)
    if _joins(site):
        return _argument(node, 1, "dim", "axis", default=0) != 0
    if _cuts(site):
        return _argument(node, 2, "dim", default=0) != 0
    if _resizes(site):
        return _argument(node, 1, "dim") != 0
    if _swaps(site):
        return 0 not in (_argument(node, 1, "dim0"), _argument(node, 2, "dim1"))
    if _permutes(site):
        axes = _argument(node, 1, "dims")
        axes = axes if isinstance(axes, tuple | list) else node.args[1:]
        return isinstance(axes[0], int) and axes[0] % len(axes) == 0
    if node.target is operator.getitem:
        source, index = node.args
        first = index[0] if isinstance(index, tuple | list) else index
        return first in (slice(None), Ellipsis) or (isinstance(source, fx.Node) and _cuts(Site(site.graph, source)))
    return node.target is not getattr or node.args[1] in ("data", "mT")


def _argument(node: fx.Node, place: int, *names: str, default: Any = None) -> Any:
    if len(node.args) > place:
        return node.args[place]
    return next((node.kwargs[name] for name in names if name in node.kwargs), default)

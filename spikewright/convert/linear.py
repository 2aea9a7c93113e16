"""is_linear(site): which operations stay as they are, because the mean over time passes through them unchanged."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from ..core.temporal import Temporal
from .first_axis import argument, keeps_first_axis
from .operations import Site, called, calls, depends_on_input, is_constant_product

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_linear = calls(
    modules=(
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
        *NORMS,
        *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
        *(nn.AlphaDropout, nn.FeatureAlphaDropout),
        *(nn.Flatten, nn.Unflatten, nn.Unfold, nn.Fold),
        *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
        *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
        *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
        *(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
        *(nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
        *(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d),
    ),
    functions=(getattr, operator.getitem, F.unfold, F.fold),
    methods=("unfold", "contiguous", "float", "double", "to"),
)  # fmt: skip
_linear_by_name = called(
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"),
    *("pad", "interpolate", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("flatten", "unflatten", "reshape", "view", "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"),
    *("squeeze", "unsqueeze", "expand", "repeat", "tile", "repeat_interleave", "roll", "flip"),
    *("cat", "concat", "concatenate", "stack", "chunk", "split", "tensor_split", "unbind"),
    *("narrow", "select", "index_select", "masked_fill", "where"),
    *("add", "sub", "subtract", "rsub", "neg", "negative", "mean", "sum", "cumsum"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    *("type_as", "view_as", "reshape_as", "expand_as", "clone", "detach"),
)
_adds = called(
    *("add", "sub", "subtract", "rsub", "cat", "concat", "concatenate", "stack", "where"),
    *("type_as", "view_as", "reshape_as", "expand_as"),  # which read only the shape or dtype of the second
)
_batch_norm = called("batch_norm")
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)

_has_weights = called(
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"),
    modules=(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
)
is_sum = called("add", "sub", "subtract", "rsub")


def is_weighted(site: Site) -> bool:
    """Whether one activity meets stored weights: a convolution, linear layer, or product with a constant matrix."""
    return len(site.activities()) == 1 and (_has_weights(site) or is_constant_product(site))


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
    several = len(site.activities()) > 1
    if is_scaling(site):
        return not several and not _divides_by_activity(site.node)
    if isinstance(site.module, (*NORMS, *_INSTANCE_NORMS)):
        return type(site.module) in (*NORMS, *_INSTANCE_NORMS) and site.module.running_mean is not None
    if _batch_norm(site):
        return not several and _has_statistics(site.node)
    if is_constant_product(site):
        return True
    if several and not _adds(site):
        return False
    if site.module is None and not _adds(site) and not _is_activity(argument(site.node, 0, "input", "self")):
        return False  # an activity as weights, as index or as mask
    return (_linear(site) or _linear_by_name(site)) and keeps_first_axis(site) and not _rounds(site.node)


def _is_activity(value: Any) -> bool:
    return isinstance(value, fx.Node) and depends_on_input(value)


def _divides_by_activity(node: fx.Node) -> bool:
    if node.target in (torch.mul, torch.multiply, operator.mul, "mul", "multiply"):
        return False
    return _is_activity(argument(node, 1, "other")) or node.kwargs.get("rounding_mode") is not None


def _has_statistics(node: fx.Node) -> bool:
    return argument(node, 1, "running_mean") is not None and argument(node, 5, "training", default=False) is False


def _rounds(node: fx.Node) -> bool:
    given = (*node.args, *node.kwargs.values())
    return any(isinstance(value, torch.dtype) and not value.is_floating_point for value in given)

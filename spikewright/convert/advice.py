"""advice(site): what to do about an operation that no recipe handles."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .first_axis import keeps_first_axis
from .linear import NORMS, is_scaling
from .nonlinear import is_larger_of_two, is_one_input_nonlinear, is_softmax
from .operations import Site, called, calls, is_leaky_relu, is_matmul, is_max_pool, is_product, is_relu, is_sigmoid

_BY_UNITS = "the recipe DCGS takes it as it is"

_softmax = called("softmax", "log_softmax", "softmin")

ADVICE: tuple[tuple[Callable[[Site], bool], str], ...] = (
    (
        is_max_pool,
        "use average pooling: prepare(model, recipe) before training, or keep it with extra=(max_pool_to_gate,)",
    ),
    (
        is_relu,
        "train it with prepare(model, recipe) first, or use OPI, which takes thresholds from data, or let the recipe "
        "measure them too, with threshold=ErrorOptimal(groups=per_channel) and training images",
    ),
    (is_leaky_relu, "use OPI or RobustNorm, whose signed neurons count below 0, or train with ReLU or QCFS instead"),
    (is_sigmoid, "use OPI or RobustNorm, or extra=(sigmoid_to_expectation,), which computes it as analog work"),
    (
        calls(
            modules=(nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Softplus, nn.Mish, nn.ELU, nn.SELU, nn.CELU),
            functions=(
                *(F.gelu, F.silu, F.hardswish, torch.tanh, F.tanh, F.mish, F.softplus, F.elu, F.selu, F.celu),
                F.logsigmoid,
            ),
            methods=("tanh",),
        ),
        f"it is not a count of spikes; train with ReLU or QCFS instead; {_BY_UNITS}",
    ),
    (
        lambda site: _softmax(site) and not is_softmax(site),
        "give dim=..., other than axis 0, which holds time and batch",
    ),
    (
        calls(
            modules=(nn.Softmax, nn.LogSoftmax, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d),
            functions=(F.softmax, torch.softmax, F.log_softmax, torch.log_softmax, F.layer_norm, F.group_norm),
            methods=("softmax", "log_softmax"),
        ),
        "it is not a count of spikes, as its scale depends on the input; use batch norm, and take a final softmax off "
        f"(argmax is the same); {_BY_UNITS}",
    ),
    (
        calls(
            functions=(
                *(torch.gt, torch.ge, torch.lt, torch.le, torch.eq, torch.ne, torch.sign),
                *(operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne),
            ),
            methods=("gt", "ge", "lt", "le", "eq", "ne", "sign"),
        ),
        "it jumps where a value passes a border, so that small errors become large; write it as an activation, e.g. "
        "F.leaky_relu(x) for torch.where(x > 0, x, 0.01 * x), or as clamp, torch.maximum or torch.minimum",
    ),
    (
        called("topk", "sort", "argsort", "argmax", "argmin", "kthvalue", "median"),
        "it sorts values; only the largest or smallest along an axis, x.amax(dim), is known; change it, or cut the "
        "network in front of it",
    ),
    (calls(modules=NORMS), "it has no running statistics; train with track_running_stats=True"),
    (
        is_product,
        "a product of two activities is not linear; keep one factor constant, or use OPI or RobustNorm, or "
        "extra=(product_to_expectation,), which computes it as analog work",
    ),
    (
        is_scaling,
        "a product or quotient of two activities is not linear; keep one factor constant; the recipe DCGS takes it as "
        "it is unless it rounds",
    ),
    (
        calls(
            functions=(torch.matmul, torch.bmm, operator.matmul, F.scaled_dot_product_attention),
            methods=("matmul", "bmm"),
        ),
        f"a matrix product of two activities is not linear, and its output is not a count of spikes; {_BY_UNITS}",
    ),
    (is_matmul, f"a product of two activities is not linear, and its output is not a count of spikes; {_BY_UNITS}"),
    (
        lambda site: is_one_input_nonlinear(site) or is_larger_of_two(site),
        f"it is not linear, and its output is not a count of spikes; {_BY_UNITS}",
    ),
    (
        calls(functions=(F.linear, F.conv1d, F.conv2d, F.conv3d)),
        "its weights come from the image, so it is a product of two activities; keep them constant",
    ),
    (
        lambda site: not keeps_first_axis(site),
        "give dim=..., other than axis 0, which holds time and batch and must stay as it is",
    ),
)
"""What to do about an operation that no recipe handles; the first test that matches gives the advice."""


def advice(site: Site) -> str:
    """What to do about a site that no rule handles."""
    found = (text for matches, text in ADVICE if matches(site))
    return next(found, "write a rule for it, extra=(...), or list it in allow=(...) if it is linear")

"""advice(site): what to do about an operation that no recipe handles."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .linear import NORMS, is_scaling, keeps_first_axis
from .operations import Site, calls, is_max_pool, is_relu

ADVICE: tuple[tuple[Callable[[Site], bool], str], ...] = (
    (is_max_pool, "use average pooling: prepare(model, recipe) before training, or extra=(max_pool_to_average,)"),
    (is_relu, "train it with prepare(model, recipe) first, or use OPI, which takes thresholds from data"),
    (
        calls(
            modules=(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU),
            functions=(F.leaky_relu, F.prelu, F.elu, F.selu, F.celu),
        ),
        "negative outputs need signed neurons; train with ReLU or QCFS instead",
    ),
    (
        calls(
            modules=(nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus, nn.Mish),
            functions=(
                *(F.gelu, F.silu, F.hardswish, F.sigmoid, torch.sigmoid, F.hardsigmoid, torch.tanh, F.tanh, F.mish),
                F.softplus,
            ),
            methods=("sigmoid", "tanh"),
        ),
        "no count of spikes has this shape; train with ReLU or QCFS instead",
    ),
    (
        calls(
            modules=(nn.Softmax, nn.LogSoftmax, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d),
            functions=(F.softmax, torch.softmax, F.log_softmax, torch.log_softmax, F.layer_norm, F.group_norm),
            methods=("softmax", "log_softmax"),
        ),
        "its scale depends on the input; use batch norm, and take a final softmax off (argmax is the same)",
    ),
    (calls(modules=NORMS), "it has no running statistics; train with track_running_stats=True"),
    (is_scaling, "a product or quotient of two activities is not linear; keep one factor constant"),
    (
        calls(
            functions=(torch.matmul, torch.bmm, operator.matmul, F.scaled_dot_product_attention),
            methods=("matmul", "bmm"),
        ),
        "a matrix product of two activities is not linear",
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

"""What each node of a traced network is: a linear operation that stays, an activation, a max pool, or something else."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from ..core.temporal import Temporal
from ..core.trace import module_of, path_of
from .layers.qcfs import QCFSActivation


@dataclass(frozen=True)
class Site:
    """One node of a traced network: a call of a module, function or method.

    Args:
        graph: the traced network.
        node: the node.
    """

    graph: fx.GraphModule
    node: fx.Node

    @property
    def module(self) -> nn.Module | None:
        """The module called, or None."""
        return module_of(self.graph, self.node)

    @property
    def name(self) -> str:
        """A name of its own for every call site; the module's path where a module is called once."""
        earlier = []
        for node in self.graph.graph.nodes:
            if node is self.node:
                break
            earlier.append(path_of(node))
        path = path_of(self.node)
        count = earlier.count(path)
        return f"{path}_{count + 1}" if count else path

    @property
    def kind(self) -> str:
        """Class of the module, or name of the function or method."""
        if self.module is not None:
            return type(self.module).__name__
        return self.node.target if isinstance(self.node.target, str) else getattr(self.node.target, "__name__", "?")

    def inputs_from_activity(self) -> int:
        """How many inputs depend on the image (the others are weights and constants)."""
        return sum(1 for node in self.node.all_input_nodes if _depends_on_input(node))


def _depends_on_input(node: fx.Node) -> bool:
    seen, todo = set(), [node]
    while todo:
        current = todo.pop()
        if current.op == "placeholder":
            return True
        if current not in seen and not _is_shape(current):
            seen.add(current)
            todo.extend(current.all_input_nodes)
    return False


def _is_shape(node: fx.Node) -> bool:
    return (node.op == "call_method" and node.target in ("size", "dim")) or (
        node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim", "dtype", "device")
    )


def calls(*, modules: tuple[type[nn.Module], ...] = (), functions: tuple = (), methods: tuple[str, ...] = ()) -> Callable[[Site], bool]:
    """A test whether a site calls one of these (modules by exact class, so that a subclass with another meaning is not caught)."""

    def matches(site: Site) -> bool:
        if site.module is not None:
            return type(site.module) in modules
        return site.node.target in (functions if site.node.op == "call_function" else methods)

    return matches


_relu = calls(
    modules=(nn.ReLU, nn.ReLU6),
    functions=(F.relu, torch.relu, torch.relu_, F.relu_, F.relu6),
    methods=("relu", "relu_"),
)


def is_relu(site: Site) -> bool:
    """ReLU or a ReLU clipped from above, as module, function or method: clamp(0, c) and Hardtanh(0, c) too."""
    if isinstance(site.module, nn.Hardtanh):
        return site.module.min_val == 0
    if site.node.target in (torch.clamp, torch.clip, F.hardtanh, "clamp", "clip", "clamp_min", torch.clamp_min):
        lowest = site.node.args[1] if len(site.node.args) > 1 else site.node.kwargs.get("min", site.node.kwargs.get("min_val"))
        return isinstance(lowest, int | float) and lowest == 0
    return _relu(site)


is_qcfs = calls(modules=(QCFSActivation,))

is_max_pool = calls(
    modules=(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
    functions=(F.max_pool1d, F.max_pool2d, F.max_pool3d, F.adaptive_max_pool2d, torch.max_pool2d),
)

_linear_modules = (
    (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
    + (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    + (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    + (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
    + (nn.Flatten, nn.Unflatten, nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
    + (nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Upsample)
)
_linear = calls(
    modules=_linear_modules,
    functions=(F.conv1d, F.conv2d, F.conv3d, F.linear, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d, F.pad, F.interpolate)
    + (torch.conv1d, torch.conv2d, torch.conv3d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
    + (torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze)
    + (torch.add, torch.sub, operator.add, operator.sub, operator.iadd, operator.isub, operator.neg, torch.neg)
    + (torch.cat, torch.concat, torch.concatenate, torch.stack, torch.chunk, torch.split, torch.mean, torch.sum)
    + (getattr, operator.getitem),
    methods=("flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "size", "dim")
    + ("add", "add_", "sub", "sub_", "neg", "mean", "sum", "chunk", "split", "float", "to", "type_as", "clone", "detach"),
)  # fmt: skip
_scaling = calls(
    functions=(torch.mul, torch.div, operator.mul, operator.truediv, operator.imul, operator.itruediv),
    methods=("mul", "mul_", "div", "div_"),
)


_WEIGHTED = (F.conv1d, F.conv2d, F.conv3d, F.linear, torch.conv1d, torch.conv2d, torch.conv3d)
"""Linear only while their weights do not depend on the image."""


def is_linear(site: Site) -> bool:
    """Whether the mean over time commutes with the operation (affine in the activity), so that it stays as it is."""
    node = site.node
    if node.op in ("placeholder", "output", "get_attr") or not _depends_on_input(node) or isinstance(site.module, Temporal):
        return True
    if _scaling(site):
        divides_by_activity = "div" in site.kind and len(node.args) > 1 and isinstance(node.args[1], fx.Node) and _depends_on_input(node.args[1])
        return site.inputs_from_activity() == 1 and not divides_by_activity
    if node.target in ("mean", "sum", torch.mean, torch.sum):
        return _keeps_first_axis(node)
    return _linear(site) and (node.target not in _WEIGHTED or site.inputs_from_activity() == 1)


def _keeps_first_axis(node: fx.Node) -> bool:
    axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis"))
    axes = axes if isinstance(axes, tuple | list) else (axes,)
    return all(isinstance(axis, int) and axis != 0 for axis in axes)


ADVICE: tuple[tuple[Callable[[Site], bool], str], ...] = (
    (is_max_pool, "use average pooling: prepare(model, recipe) before training, or extra=(max_pool_to_average,)"),
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
            functions=(F.gelu, F.silu, F.hardswish, F.sigmoid, torch.sigmoid, F.hardsigmoid, torch.tanh, F.tanh, F.mish)
            + (F.softplus,),
            methods=("sigmoid", "tanh"),
        ),
        "no count of spikes has this shape; train with ReLU or QCFS instead",
    ),
    (
        calls(
            modules=(nn.Softmax, nn.LogSoftmax, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d),
            functions=(F.softmax, torch.softmax, F.log_softmax, F.layer_norm, F.group_norm),
            methods=("softmax", "log_softmax"),
        ),
        "its scale depends on the input; use batch norm, and take a final softmax off (argmax is the same)",
    ),
    (_scaling, "a product or quotient of two activities is not linear; keep one factor constant"),
    (
        calls(functions=(torch.matmul, torch.bmm, operator.matmul, F.scaled_dot_product_attention), methods=("matmul", "bmm")),
        "a matrix product of two activities is not linear",
    ),
    (
        lambda site: site.node.target in ("mean", "sum", torch.mean, torch.sum),
        "give dim=..., without axis 0, which holds time and batch",
    ),
)  # fmt: skip
"""What to do about an operation that no recipe handles; the first test that matches gives the advice."""


def advice(site: Site) -> str:
    """What to do about a site that no rule handles."""
    found = (text for matches, text in ADVICE if matches(site))
    return next(found, "write a rule for it, or keep its module whole with leaves=(...) if it is linear")

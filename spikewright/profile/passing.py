"""Everything between synaptic layers and neurons: how spike counts pass through it, and what it costs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.temporal import fold, unfold
from .geometry import on_each_axis
from .wire import Call, Cost, Result, Wire, exchange, parts


def rearranged(call: Call) -> Result:
    """Reshapes, cuts, joins, pads with zeros, repeats: every spike goes where its value goes, at no cost."""
    constants = any(isinstance(part, Tensor) and part.is_floating_point() for part in parts((call.args, call.kwargs)))
    if constants or any(wire.counts is None for wire in call.wires):
        return Result()
    args, kwargs = exchange((call.args, call.kwargs), lambda wire: wire.counts)
    return Result(call.run(args, kwargs))


def unchanged(call: Call) -> Result:
    """Casts and copies."""
    return Result(call.wires[0].counts)


def padded(call: Call) -> Result:
    """Padding moves spikes like any reshape; with a value other than zero it joins constants to them."""
    if call.setting("mode", 2, "constant") == "constant" and call.setting("value", 3, 0):
        return Result()
    return rearranged(call)


def resized(call: Call) -> Result | None:
    """Nearest-neighbour resizing repeats spikes; the cost of other modes is not known."""
    return rearranged(call) if call.setting("mode", 3, "nearest") == "nearest" else None


def maximum(call: Call) -> Result:
    """Max pool: the largest value of a window brings its spikes along; comparisons are not counted."""
    if call.wires[0].counts is None or not isinstance(call.out, Tensor):
        return Result()
    defaults = {"kernel_size": None, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[call.out.dim() - 2]
    return _chosen(call, lambda x: pool(x, *_settings(call, defaults), return_indices=True))


def adaptive_maximum(call: Call) -> Result:
    """Adaptive max pool: likewise."""
    if call.wires[0].counts is None or not isinstance(call.out, Tensor):
        return Result()
    shape = call.out.shape[2:]
    pool = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}[len(shape)]
    return _chosen(call, lambda x: pool(x, shape, return_indices=True))


def handed_on(call: Call, timesteps: int) -> Result:
    """A gate: the chosen input brings its spikes along; one addition for each that arrives, or each analog value."""
    wire, gate = call.wires[0], call.module
    if wire.counts is None or gate is None:
        return Result(cost=Cost(additions=call.elements(wire.value)))
    places = fold(gate.chosen(unfold(wire.value, timesteps)))  # pyright: ignore[reportCallIssue]
    counts = wire.counts.flatten(2).gather(2, places.flatten(2)).view_as(places)
    return Result(counts, Cost(additions=call.per_row(wire.counts)))


def computed_over_time(call: Call) -> Result:
    """A function of means over time: one multiply-accumulate for each input's mean, two for each output."""
    inputs = sum(call.elements(wire.value) for wire in call.wires)
    return Result(cost=Cost(macs=inputs + 2 * call.elements(call.out)))


def product_over_time(call: Call, timesteps: int) -> Result:
    """A product of two activities over time: what is new on one side meets all there is on the other, both ways.

    Source: Huang et al. 2025, "Differential Coding for Training-Free ANN-to-SNN Conversion", ICML 2025,
        arXiv 2503.00301, operations of a product unit as in the authors' code.
    """
    product: Any = call.module.function  # pyright: ignore[reportOptionalMemberAccess]
    new = [_arriving(wire) for wire in call.wires]
    there = [fold(unfold(part, timesteps).cumsum(0) > 0).to(part.dtype) for part in new]
    before = [_one_step_later(part, timesteps) for part in there]
    both = product(*new) + product(new[0], before[1]) + product(before[0], new[1])
    operations = call.per_row(both)
    dense = int(product(*(torch.ones_like(part[:1]) for part in new)).sum())
    spiking = all(wire.counts is not None and not wire.graded for wire in call.wires)
    synops, macs = (operations, 0) if spiking else (0, operations)
    return Result(cost=Cost(synops=synops, macs=macs, updates=call.elements(call.out), exact=dense, dense=dense))


def _one_step_later(x: Tensor, timesteps: int) -> Tensor:
    xs = unfold(x, timesteps)
    return fold(torch.cat([torch.zeros_like(xs[:1]), xs[:-1]]))


def _arriving(wire: Wire) -> Tensor:
    return (wire.value if wire.counts is None else wire.counts).ne(0).to(torch.float32)


def averaged(call: Call) -> Result:
    """Average pool: a window receives all its spikes; one addition for each that arrives, or for each analog value."""
    defaults = {"kernel_size": None, "stride": None, "padding": 0, "ceil_mode": False}
    kernel, stride, padding, ceil_mode = _settings(call, defaults)
    axes = call.wires[0].value.dim() - 2

    def windows(x: Tensor) -> Tensor:
        if axes == 1:  # F.avg_pool1d cannot leave its division out
            size, step = (1, *on_each_axis(kernel, 1)), (1, *on_each_axis(stride or kernel, 1))
            edge = (0, *on_each_axis(padding, 1))
            return F.avg_pool2d(x.unsqueeze(2), size, step, edge, ceil_mode, True, 1).squeeze(2)
        pool = F.avg_pool2d if axes == 2 else F.avg_pool3d
        return pool(x, kernel, stride, padding, ceil_mode, True, 1)

    return _summed(call, windows)


def adaptively_averaged(call: Call) -> Result:
    """Adaptive average pool: windows as torch cuts them, which may overlap."""
    x, shape = call.wires[0].value, call.out.shape[2:]
    pool: Any = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[len(shape)]
    sizes = torch.ones(shape, device=x.device)
    for i, (inputs, outputs) in enumerate(zip(x.shape[2:], shape)):
        widths = [-(-(o + 1) * inputs // outputs) - o * inputs // outputs for o in range(outputs)]
        sizes *= torch.tensor(widths, device=x.device).view(-1, *(1,) * (len(shape) - 1 - i))
    return _summed(call, lambda x: (pool(x, shape) * sizes).round())


def reduced(call: Call) -> Result:
    """Mean or sum over axes other than the first."""
    call.check_rows(call.out)
    wire = call.wires[0]
    if wire.counts is None:
        return Result(cost=Cost(additions=wire.value.numel() // call.rows))
    counts = wire.counts.sum(call.argument(1, "dim", "axis"), keepdim=bool(call.argument(2, "keepdim")))
    return Result(counts, Cost(additions=call.per_row(counts)))


def added(call: Call) -> Result:
    """Sum or difference: spikes join spikes for nothing; a spike that meets a current is one accumulation."""
    call.check_rows(call.out)
    operands = (call.argument(0, "input"), call.argument(1, "other"))
    elements = call.elements(call.out)
    if not all(isinstance(part, Wire) for part in operands):
        constant = next(part for part in operands if not isinstance(part, Wire))
        nothing = isinstance(constant, int | float) and constant == 0
        if nothing or call.wires[0].corrections:  # a constant is known to who receives corrections
            return unchanged(call)
        return Result(cost=Cost(additions=elements))
    counts = [part.counts.expand(call.out.shape) for part in operands if part.counts is not None]
    if len(counts) == 2:
        return Result(counts[0] + counts[1])
    if len(counts) == 1:
        return Result(cost=Cost(synops=call.per_row(counts[0])))
    return Result(cost=Cost(additions=elements))


def scaled(call: Call) -> Result:
    """Product or quotient: a constant factor on spikes is part of their amplitude; analog values are multiplied."""
    left, right = call.argument(0, "input"), call.argument(1, "other")
    if not isinstance(left, Wire) or isinstance(right, Wire):
        left, right = (right, left) if "div" not in call.operation else (right, None)
    if right is None or isinstance(right, Wire) or left.counts is None:
        return Result(cost=Cost(macs=call.elements(call.out)))
    passes = torch.as_tensor(right != 0, device=left.counts.device)
    return Result(left.counts * passes)


def normalised(call: Call) -> Result:
    """Batch norm that is not folded: one multiply-accumulate per element; its scale and shift fold into weights."""
    return Result(call.wires[0].counts, Cost(macs=call.elements(call.out)))


def free(call: Call) -> Result:
    """Activation functions: not counted, and their output is analog."""
    return Result()


def _settings(call: Call, defaults: dict[str, Any]) -> list[Any]:
    return [call.setting(name, i, default) for i, (name, default) in enumerate(defaults.items(), start=1)]


def _chosen(call: Call, pool: Callable[[Tensor], Any]) -> Result:
    wire = call.wires[0]
    places = pool(wire.value)[1]
    return Result(wire.counts.flatten(2).gather(2, places.flatten(2)).view_as(places))


def _summed(call: Call, windows: Callable[[Tensor], Tensor]) -> Result:
    call.check_rows(call.out)
    wire = call.wires[0]
    if wire.counts is None:
        one = torch.ones_like(wire.value[:1], dtype=torch.float32)
        return Result(cost=Cost(additions=int(windows(one).sum(dtype=torch.int64))))
    counts = windows(wire.counts)
    return Result(counts, Cost(additions=call.per_row(counts)))


_activations = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish)
_activations += (nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish)
_drops = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)  # in eval()

Rule = Callable[[Call], Result | None]
"""What an operation passes on and costs; None if its cost is not known."""

MODULES: dict[type[nn.Module], Rule] = {
    **dict.fromkeys(_activations, free),
    **dict.fromkeys((nn.Identity, *_drops), unchanged),
    **dict.fromkeys((nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), rearranged),
    **dict.fromkeys((nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d), rearranged),
    **dict.fromkeys((nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d), padded),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), normalised),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), averaged),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), adaptively_averaged),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), maximum),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), adaptive_maximum),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingNearest2d), resized),
}
FUNCTIONS: dict[Any, Rule] = {
    **dict.fromkeys((F.relu, torch.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardtanh), free),
    **dict.fromkeys((torch.sigmoid, torch.tanh, F.sigmoid, F.tanh, F.softplus, torch.clamp, torch.clip), free),
    **dict.fromkeys((F.prelu, torch.prelu, F.hardsigmoid, F.hardswish), free),
    **dict.fromkeys((torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.movedim), rearranged),
    **dict.fromkeys((torch.squeeze, torch.unsqueeze, torch.chunk, torch.split, operator.getitem), rearranged),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate, torch.stack, F.pixel_shuffle), rearranged),
    **dict.fromkeys((torch.add, torch.sub, operator.add, operator.sub, operator.iadd, operator.isub), added),
    **dict.fromkeys((torch.mul, torch.div, operator.mul, operator.truediv, operator.imul), scaled),
    operator.itruediv: scaled,
    **dict.fromkeys((operator.neg, torch.neg), unchanged),
    **dict.fromkeys((F.avg_pool1d, F.avg_pool2d, F.avg_pool3d), averaged),
    **dict.fromkeys((F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d), adaptively_averaged),
    **dict.fromkeys((F.max_pool1d, F.max_pool2d, F.max_pool3d), maximum),
    **dict.fromkeys((torch.max_pool1d, torch.max_pool2d, torch.max_pool3d), maximum),
    **dict.fromkeys((F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d), adaptive_maximum),
    **dict.fromkeys((torch.mean, torch.sum), reduced),
    F.batch_norm: normalised,
    F.pad: padded,
    F.interpolate: resized,
}
METHODS: dict[str, Rule] = {
    **dict.fromkeys(("relu", "relu_", "sigmoid", "tanh", "clamp", "clamp_", "clip", "prelu"), free),
    **dict.fromkeys(("flatten", "view", "reshape", "permute", "transpose", "movedim", "squeeze"), rearranged),
    **dict.fromkeys(("unsqueeze", "unflatten", "chunk", "split", "unbind", "narrow"), rearranged),
    **dict.fromkeys(("flip", "expand", "repeat"), rearranged),
    **dict.fromkeys(("contiguous", "clone", "detach", "float", "double", "half", "to", "type_as", "neg"), unchanged),
    **dict.fromkeys(("add", "add_", "sub", "sub_"), added),
    **dict.fromkeys(("mul", "mul_", "div", "div_"), scaled),
    **dict.fromkeys(("mean", "sum"), reduced),
}

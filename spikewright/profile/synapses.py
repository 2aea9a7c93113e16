"""Synaptic layers: what convolutions, linear layers and matrix products cost for spikes and for analog values."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .geometry import FanOut, convolved, on_each_axis, transposed
from .wire import Call, Cost, Result, Wire


def convolution(call: Call) -> Result:
    """Convolution with any stride, padding, dilation and groups."""
    x, weight, bias = _operands(call)
    if isinstance(weight, Wire):
        return Result(cost=Cost(macs=call.elements(call.out) * prod(weight.value.shape[1:])))
    axes = weight.dim() - 2
    stride = on_each_axis(call.setting("stride", 3, 1), axes)
    dilation = on_each_axis(call.setting("dilation", 5, 1), axes)
    padding = _padding(call.setting("padding", 4, 0), weight.shape[2:], dilation)
    mode = call.setting("padding_mode", 99, "zeros") if call.module is not None else "zeros"
    maps = tuple(
        convolved(size, kernel, stride=stride[i], padding=padding[i], dilation=dilation[i], mode=mode)
        for i, (size, kernel) in enumerate(zip(x.value.shape[2:], weight.shape[2:]))
    )
    groups = call.setting("groups", 6, 1)
    dense = prod(call.out.shape[2:]) * weight.numel()
    reached = weight.unflatten(0, (groups, -1)).ne(0).sum(1).flatten(0, 1).cpu()
    fan_out = FanOut(maps, reached, dense, weight.numel())
    return _convolved(call, x, fan_out, bias)


def transposed_convolution(call: Call) -> Result:
    """Transposed convolution: each input writes its taps into the output, as far as that reaches."""
    x, weight, bias = _operands(call)
    if isinstance(weight, Wire):
        return Result(cost=Cost(macs=call.elements(x.value) * prod(weight.value.shape[1:])))
    axes = weight.dim() - 2
    stride = on_each_axis(call.setting("stride", 3, 1), axes)
    padding = on_each_axis(call.setting("padding", 4, 0), axes)
    dilation = on_each_axis(call.setting("dilation", 7, 1), axes)
    maps = tuple(
        transposed(size, kernel, stride=stride[i], padding=padding[i], dilation=dilation[i], outputs=outputs)
        for i, (size, kernel, outputs) in enumerate(zip(x.value.shape[2:], weight.shape[2:], call.out.shape[2:]))
    )
    dense = prod(x.value.shape[2:]) * weight.numel()
    fan_out = FanOut(maps, weight.ne(0).sum(1).cpu(), dense, weight.numel())
    return _convolved(call, x, fan_out, bias)


def linear(call: Call) -> Result:
    """Linear layer on the last axis."""
    x, weight, bias = _operands(call)
    if isinstance(weight, Wire):
        return Result(cost=Cost(macs=call.elements(call.out) * weight.value.shape[-1]))
    reached = weight.ne(0).sum(0)
    places = call.elements(x.value) // len(reached)
    exact = places * int(reached.sum())
    operations = call.per_row(x.counts.to(torch.int64) * reached) if x.counts is not None else exact
    dense = places * weight.numel()
    return _weighted(call, x, bias, operations, exact=exact, dense=dense, weights=weight.numel())


def matrix_product(call: Call) -> Result:
    """Product of two matrices per row. Spikes times constants accumulate; all else multiplies."""
    left, right = call.argument(0, "input", "mat1"), call.argument(1, "other", "mat2")
    shape = left.value.shape if isinstance(left, Wire) else left.shape
    macs = call.elements(call.out) * shape[-1]
    weights = sum(part.numel() for part in (left, right) if isinstance(part, Tensor))
    spiking = left if isinstance(left, Wire) else right
    if not weights or spiking.counts is None:
        return Result(cost=Cost(macs=macs, exact=macs, dense=macs, weights=weights))
    synops = call.per_row(spiking.counts) * (macs // call.elements(spiking.value))
    return Result(cost=Cost(synops=synops, exact=macs, dense=macs, weights=weights))


def _operands(call: Call) -> tuple[Wire, Tensor | Wire, Tensor | None]:
    x = call.argument(0, "input")
    if call.module is not None:
        return x, call.module.weight, call.module.bias  # pyright: ignore[reportReturnType]
    return x, call.argument(1, "weight"), call.argument(2, "bias")


def _padding(given: Any, kernel: torch.Size, dilation: tuple[int, ...]) -> list[tuple[int, int]]:
    if given == "valid":
        return [(0, 0)] * len(kernel)
    if given == "same":
        totals = [step * (size - 1) for size, step in zip(kernel, dilation)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(side, side) for side in on_each_axis(given, len(kernel))]


def _convolved(call: Call, x: Wire, fan_out: FanOut, bias: Tensor | None) -> Result:
    call.check_rows(x.value)
    operations = fan_out.exact if x.counts is None else fan_out.operations(x.counts)
    return _weighted(call, x, bias, operations, exact=fan_out.exact, dense=fan_out.dense, weights=fan_out.weights)


def _weighted(call: Call, x: Wire, bias: Tensor | None, operations: Tensor | int, **layer: int) -> Result:
    """Spikes accumulate, numbers multiply; a bias is added at every step unless only corrections travel."""
    biases = call.elements(call.out) if bias is not None and not x.corrections else 0
    if x.counts is None or x.graded:
        return Result(cost=Cost(macs=operations, additions=biases, **layer))
    return Result(cost=Cost(synops=operations, additions=biases, **layer))


MODULES = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), transposed_convolution),
    nn.Linear: linear,
}
FUNCTIONS = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), convolution),
    **dict.fromkeys((torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d), transposed_convolution),
    F.linear: linear,
    **dict.fromkeys((torch.matmul, operator.matmul, torch.bmm), matrix_product),
}
METHODS = dict.fromkeys(("matmul", "bmm"), matrix_product)

"""compile(model, example): a spiking network made ready for its device: events on a CPU, dense on CUDA."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.spiking import Spiking
from .compiled_network import where
from .dense import DENSE_WEIGHTS, DenseNetwork
from .network import WEIGHTS, EventNetwork
from .prepare import check_weights, device_of, prepared


def compile(model: Spiking, example: Tensor, *, weights: torch.dtype = torch.float32) -> EventNetwork | DenseNetwork:
    """Compile a spiking network for the device that its weights are on.

    On the CPU it becomes an `EventNetwork`, which does work only where there are spikes. On a CUDA device events gain
    nothing, as single rows of weights are gathered more slowly than whole tiles are multiplied: there it becomes a
    `DenseNetwork`, all time steps in one batch, captured in a CUDA graph for each shape of input.

    Args:
        model: converted by any recipe, or trained; in `eval()` and float32. It is copied.
        example: typical input, [T, N, ...], as the network will see it, on the model's device.
        weights: `torch.float32`, or, for less memory and more speed, fewer bits: on the CPU `torch.float16` or
            `torch.int8` with a scale for each output channel for the weights that events add up, while layers that run
            dense, and depthwise ones, keep theirs; on a CUDA device `torch.float16` or `torch.bfloat16` for weights
            and inputs of convolutions and linear layers, while neurons stay in float32. What it costs in accuracy has
            to be measured.

    Raises:
        ArgumentError: if the model is no `Spiking` network in `eval()`, or for other weights.
        ShapeError: if the example does not fit the model, or is not float32 on its device.
        ConversionError: if the model cannot be traced, is not in float32, or not on one CPU or CUDA device.
        DataError: if weights or example hold NaN or infinite values.
    """
    device = device_of(model)
    dense = device.type == "cuda"
    check_weights(weights, DENSE_WEIGHTS if dense else WEIGHTS, where(device))
    graph, shapes = prepared(model, example)
    if dense:
        return DenseNetwork(model, graph, shapes, device, weights)
    network = EventNetwork(model, graph, shapes, weights)
    network.choose(example)
    return network

"""prepared(model, example): a spiking network checked and traced, batch norms folded, every shape noted."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, fx, nn

from ..core.arguments import check_module, named
from ..core.batch_norm import fold_batch_norm
from ..core.errors import ArgumentError, ConversionError, DataError, sentence
from ..core.probe import ProbeMemory, probed
from ..core.spiking import Spiking
from ..core.temporal import check_finite, check_sequence, fold, told
from ..core.trace import module_of, trace
from .shapes import ShapeReader

_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def device_of(model: Spiking) -> torch.device:
    """The one device that a network is on, in float32.

    Raises:
        ArgumentError: if the model is no `Spiking` network in `eval()`.
        ConversionError: if it is in another dtype, on several devices, or neither on the CPU nor on a CUDA device.
    """
    check_module(model, "compile.model")
    if not isinstance(model, Spiking):
        raise ArgumentError(sentence("compile.model", named(model), "a Spiking network, e.g. conversion.model"))
    if model.training:
        raise ArgumentError(sentence("compile.model", "a network in train()", "one in eval()", "Call model.eval()"))
    tensors = [p for p in (*model.parameters(), *model.buffers()) if p.is_floating_point()]
    device = tensors[0].device if tensors else torch.device("cpu")
    odd = next((p for p in tensors if p.dtype != torch.float32 or p.device.type not in ("cpu", "cuda")), None)
    if odd is not None:
        met, expected = f"weights in {odd.dtype} on {odd.device.type}", "float32 on the CPU or a CUDA device"
        raise ConversionError(sentence("compile.model", met, expected, "Call model.float().cpu()"))
    other = next((p.device for p in tensors if p.device != device), None)
    if other is not None:
        met = f"weights on {device} and {other}"
        raise ConversionError(sentence("compile.model", met, "one device", f'Call model.to("{device}")'))
    return device


def check_weights(weights: torch.dtype, kinds: Collection[torch.dtype], where: str) -> None:
    """Raise ArgumentError unless weights can be kept in numbers of that kind there."""
    if weights not in kinds:
        allowed = f"{' or '.join(map(str, kinds))} {where}"
        raise ArgumentError(sentence("compile.weights", repr(weights), allowed))


def prepared(model: Spiking, example: Tensor) -> tuple[fx.GraphModule, dict[str, tuple[int, ...]]]:
    """The traced copy of a network, and one sample's shape at every node that makes a tensor.

    Args:
        model: the network, as `device_of` wants it.
        example: typical input, [T, N, ...].

    Raises:
        DataError: if weights or example hold NaN or infinite values.
        ShapeError: if the example does not fit the model.
        ConversionError: if the model cannot be traced.
    """
    broken = next(
        (name for name, p in model.module.state_dict().items() if p.is_floating_point() and not p.isfinite().all()),
        None,
    )
    if broken is not None:
        raise DataError(
            sentence(f"compile.model, {broken}", "NaN or infinite weights", "finite ones", "Train it again")
        )
    check_sequence(example, "compile.example")
    check_finite(example, "compile.example")
    with torch.inference_mode():
        model(example[:, :1])  # what is wrong with the example is said here
    graph = trace(model.module, example=example[0])
    fold_batch_norm(graph)
    _without_idle(graph)
    reader = ShapeReader(graph)
    with torch.inference_mode(), probed(graph, example, ProbeMemory()), told(graph, len(example)):
        reader.run(fold(example[:, :2]))
    return graph, reader.shapes


def _without_idle(graph: fx.GraphModule) -> None:
    """Take out the layers that do nothing in eval()."""
    for node in list(graph.graph.nodes):
        if type(module_of(graph, node)) in _IDLE:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()

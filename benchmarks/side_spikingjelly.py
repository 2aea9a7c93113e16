"""SpikingJelly's side: its training-free recipes and its three documented ways to run a converted network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from inputs import Batch, read_calibration
from safetensors.torch import load_file, save_file
from spikingjelly.activation_based import ann2snn, functional, neuron
from torch import Tensor, nn

from spikewright.models.resnet import BasicBlock, ZeroPadded


def _rate_coding(images: Tensor, **options: Any) -> ann2snn.ConversionRecipe:
    # one batch: then its running mean over batches is the percentile itself
    return ann2snn.RateCodingRecipe([images], mode="99.9%", **options)


def _balanced(images: Tensor, passes: int) -> ann2snn.ConversionRecipe:
    # each batch moves every threshold by twice the mean excess: few large batches would leave all of them too low
    return ann2snn.LocalThresholdBalancingRecipe(list(images.split(20)) * passes)


RECIPES: dict[str, Callable[[Tensor], ann2snn.ConversionRecipe]] = {
    "channel-half": partial(_rate_coding, channel_wise=True, half_threshold=True),
    "layer-zero": _rate_coding,
    "balanced-4": partial(_balanced, passes=4),
    "balanced-10": partial(_balanced, passes=10),
}
"""Conversion -> one of its recipes for calibration images."""

WAYS = ("multi-step", "chunks", "single-step")
"""All steps at once; a few steps at once (`chunk_multi_step_forward`, for conversion); a loop, as in its examples."""


class Scaled(nn.Module):
    """A converted network behind the pixel scaling, which its conversion refuses: once per batch, not once per step."""

    def __init__(self, scaling: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.scaling, self.body = scaling, body


def _as_convolution(shortcut: ZeroPadded, inputs: int) -> nn.Conv2d:
    """The same map as a convolution with weights 0 and 1, as SpikingJelly's conversion knows no padding."""
    outputs, stride = shortcut.before + inputs + shortcut.after, shortcut.stride
    same = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    with torch.no_grad():
        same.weight.zero_()
        same.weight[shortcut.before : shortcut.before + inputs, :, 0, 0] = torch.eye(inputs)
    return same


def converted(network: nn.Module, conversion: str, images: Tensor) -> Scaled:
    """A network converted by one of `RECIPES` with thresholds measured on images [N, C, H, W]."""
    body = copy.deepcopy(network)
    for block in [part for part in body.modules() if isinstance(part, BasicBlock)]:
        if isinstance(block.shortcut, ZeroPadded):
            block.shortcut = _as_convolution(block.shortcut, block.first[0].in_channels)
    scaling, body.normalize = body.normalize, nn.Identity()
    with torch.no_grad():
        scaled = scaling(images)
    return Scaled(scaling, ann2snn.Converter(RECIPES[conversion](scaled)).convert(body)).eval()  # pyright: ignore[reportArgumentType]


def convert_and_store(network: nn.Module, conversion: str, images: Tensor, path: Path) -> None:
    """Convert with thresholds measured on images [N, C, H, W], and write the converted network's state."""
    state = converted(network, conversion, images).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def restore(network: nn.Module, conversion: str, path: Path) -> Scaled:
    """The converted network, with the state of a file."""
    # a conversion needs images; one is enough, as the state replaces what it measures
    model = converted(network, conversion, read_calibration(path.parent)[:1])
    model.load_state_dict(load_file(path))
    return model


def thresholds(model: Scaled) -> list[Tensor]:
    """The threshold [C] of each site, in order of execution."""
    found = [(name, part) for name, part in model.named_modules() if isinstance(part, ann2snn.ChannelVoltageScaler)]
    return [part.scale for name, part in found if name.endswith(".scaler1")]


def outputs(model: Scaled, way: str, x: Tensor, timesteps: int, rows: int) -> Tensor:
    """Logits of every step, [T, N, K], of images [N, C, H, W] in [0, 1]; a chunk is `rows` images times steps."""
    body = model.body
    functional.reset_net(body)
    functional.set_step_mode(body, "s" if way == "single-step" else "m")
    x = model.scaling(x)
    if way == "single-step":
        return torch.stack([body(x) for _ in range(timesteps)])
    xs = x.expand(timesteps, *x.shape)
    if way == "multi-step":
        return body(xs)
    return functional.chunk_multi_step_forward(max(1, rows // len(x)), xs, body)


@torch.inference_mode()
def judge(model: Scaled, way: str, batches: Sequence[Batch], timesteps: int, rows: int) -> list[int]:
    """How many images are classified right after each step."""
    correct = torch.zeros(timesteps, dtype=torch.int64)
    for x, y in batches:
        correct += (outputs(model, way, x, timesteps, rows).cumsum(0).argmax(-1) == y).sum(1)
    return correct.tolist()


def spikes(model: Scaled, x: Tensor, timesteps: int) -> list[int]:
    """Spikes of all neurons in steps 1..t for all images together, for each t."""
    counts = torch.zeros(timesteps)

    def count(part: nn.Module, given: object, fired: Tensor) -> None:
        counts.add_((fired != 0).flatten(1).sum(1))

    parts = [part for part in model.modules() if isinstance(part, neuron.BaseNode)]
    handles = [part.register_forward_hook(count) for part in parts]
    outputs(model, "multi-step", x, timesteps, rows=0)
    for handle in handles:
        handle.remove()
    return [int(n) for n in counts.cumsum(0)]

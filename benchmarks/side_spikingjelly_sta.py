"""SpikingJelly's side for transformers: its STA recipe on a functionally equal copy of this project's ViT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from inputs import Batch, read_calibration
from safetensors.torch import load_file, save_file
from spikingjelly.activation_based import ann2snn, functional
from spikingjelly.activation_based.ann2snn.recipes.sta_transformer import _STASpikeEncoder
from torch import Tensor, nn

from spikewright.models.vit import Block, ViT

WAYS = ("multi-step",)


class EqualBlock(nn.Module):
    """A block with torch's fused attention, which is all that the recipe knows: as wide as all heads together.

    Tokens are padded with zeros to that width, and the projection of the heads gives zeros beyond the token's width.
    """

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        heads, wide = block.attention.heads, block.attention.proj.in_features
        self.norm1, self.norm2, self.fc1, self.act, self.fc2 = (
            getattr(block, name) for name in ("norm1", "norm2", "fc1", "act", "fc2")
        )
        self.widen, self.narrow = nn.Linear(width, wide, bias=False), nn.Linear(wide, width, bias=False)
        self.attention = nn.MultiheadAttention(wide, heads, batch_first=True)
        with torch.no_grad():
            for parameter in (*self.widen.parameters(), *self.narrow.parameters(), *self.attention.parameters()):
                parameter.zero_()
            self.widen.weight[:width] = torch.eye(width)
            self.narrow.weight[:, :width] = torch.eye(width)
            self.attention.in_proj_weight[:, :width] = block.attention.qkv.weight
            self.attention.out_proj.weight[:width] = block.attention.proj.weight
            self.attention.out_proj.bias[:width] = block.attention.proj.bias

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        y = self.widen(self.norm1(x))
        y, _ = self.attention(y, y, y, need_weights=False)  # the conversion asks for both to be unpacked
        x = x + self.narrow(y)
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class EqualViT(nn.Module):
    """The same function as a `ViT`, in operations that SpikingJelly's conversion knows.

    Pixel scaling is part of the first convolution, which cuts the patches; the class token is a row of the positions.
    """

    def __init__(self, source: ViT) -> None:
        super().__init__()
        width, patch = source.patch.out_features, source.patch_size
        scale, shift = source.normalize.std.flatten(), source.normalize.mean.flatten()
        tokens = source.position.shape[1]
        self.patch = nn.Conv2d(len(scale), width, patch, stride=patch)
        self.row = nn.Linear(tokens - 1, tokens, bias=False)  # an empty row for the class token
        self.position = nn.Parameter(source.position.detach().clone())
        with torch.no_grad():
            # a patch holds its pixels row by row, channels last
            weight = source.patch.weight.view(width, patch, patch, -1).permute(0, 3, 1, 2) / scale.view(1, -1, 1, 1)
            self.patch.weight.copy_(weight)
            self.patch.bias.copy_(source.patch.bias - (weight * shift.view(1, -1, 1, 1)).sum((1, 2, 3)))
            self.row.weight.zero_()
            self.row.weight[1:] = torch.eye(tokens - 1)
            self.position[:, :1] += source.class_token
        self.blocks = nn.Sequential(*(EqualBlock(block, width) for block in source.blocks))  # pyright: ignore[reportArgumentType]
        self.norm, self.head = source.norm, source.head

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], [N, C, H, W] -> logits [N, K]."""
        tokens = self.row(self.patch(x).flatten(2)).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(tokens))[:, 0])


@torch.no_grad()
def largest_difference(network: ViT, images: Tensor) -> float:
    """Between the logits of the network and of its copy."""
    return float((EqualViT(network).eval()(images) - network(images)).abs().max())


def _recipe(conversion: str, images: Tensor) -> ann2snn.STATransformerRecipe:
    """`exact-T`, the recipe's default; `half-T` and `one-T`, spikes with thresholds scaled by 0.5 and 1."""
    kind, timesteps = conversion.split("-")
    if kind == "exact":
        return ann2snn.STATransformerRecipe(time_steps=int(timesteps))
    # one batch: its running mean over batches is then the threshold of all images
    scale = {"half": 0.5, "one": 1.0}[kind]
    return ann2snn.STATransformerRecipe(
        [images], time_steps=int(timesteps), mode="spiking_encoder", threshold_scale=scale
    )


def _convert(network: ViT, conversion: str, images: Tensor) -> nn.Module:
    copy = EqualViT(network).eval()
    return ann2snn.Converter(_recipe(conversion, images)).convert(copy).eval()


def convert_and_store(network: ViT, conversion: str, images: Tensor, path: Path) -> None:
    """Convert with thresholds measured on images [N, C, H, W], and write the converted network's state."""
    state = _convert(network, conversion, images).state_dict()
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)


def restore(network: ViT, conversion: str, path: Path) -> nn.Module:
    """The converted network, with the state of a file."""
    # a conversion needs images; one is enough, as the state replaces what it measures
    model = _convert(network, conversion, read_calibration(path.parent)[:1])
    model.load_state_dict(load_file(path))
    return model


def outputs(model: nn.Module, x: Tensor, timesteps: int) -> Tensor:
    """What every step adds to the logits, [T, N, K]: the image comes in the first step, zeros after it."""
    functional.reset_net(model)
    functional.set_step_mode(model, "m")
    xs = torch.zeros(timesteps, *x.shape)
    xs[0] = x
    return model(xs)


@torch.inference_mode()
def judge(model: nn.Module, way: str, batches: Sequence[Batch], timesteps: int, rows: int) -> list[int]:
    """How many images are classified right after each step."""
    correct = torch.zeros(timesteps, dtype=torch.int64)
    for x, y in batches:
        correct += (outputs(model, x, timesteps).cumsum(0).argmax(-1) == y).sum(1)
    return correct.tolist()


def spikes(model: nn.Module, x: Tensor, timesteps: int) -> list[int]:
    """Outputs of all spike encoders that are not zero, in steps 1..t for all images together, for each t."""
    counts = torch.zeros(timesteps)
    for _, fired in _fired(model, x, timesteps):
        counts += (fired != 0).flatten(1).sum(1)
    return [int(n) for n in counts.cumsum(0)]


def largest_output(model: nn.Module, x: Tensor, timesteps: int) -> int:
    """The most thresholds that one output stands for."""
    sizes = [fired.div(encoder.v_threshold).abs().max() for encoder, fired in _fired(model, x, timesteps)]
    return round(float(max(sizes, default=0)))


def _fired(model: nn.Module, x: Tensor, timesteps: int) -> list[tuple[nn.Module, Tensor]]:
    """Every spike encoder and what it gave, [T, N, ...]."""
    found = []
    parts = [part for part in model.modules() if isinstance(part, _STASpikeEncoder)]
    handles = [part.register_forward_hook(lambda part, given, out: found.append((part, out))) for part in parts]
    outputs(model, x, timesteps)
    for handle in handles:
        handle.remove()
    return found

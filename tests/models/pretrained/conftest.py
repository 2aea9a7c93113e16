"""A weights folder with one small network, whose description and file a test may change."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

CONV = {"stride": 1, "pad": [1, 1, 1, 1], "groups": 1}
GRAPH: list[dict[str, Any]] = [
    {"op": "conv", "in": [0], "out": 1, "w": "stem", "act": "relu", "stride": 2, "pad": [0, 1, 0, 1], "groups": 1},
    {"op": "conv", "in": [1], "out": 2, "w": "block.conv", "act": None, **CONV, "groups": 2},
    {"op": "add", "in": [1, 2], "out": 3, "act": "relu6"},
    {"op": "cat", "in": [1, 3], "out": 4},
    {"op": "maxpool", "in": [4], "out": 5, "k": 3, "stride": 2, "pad": [0, 1, 1, 0], "ceil": True},
    {"op": "gap", "in": [5], "out": 6},
    {"op": "linear", "in": [6], "out": 7, "w": "fc"},
]
ABOUT = {
    "name": "tiny",
    "file": "tiny.safetensors",
    "normalise": {"scale": 0.5, "mean": [10, 20, 30.5], "std": [2, 4, 8]},
    "source": "made for this test",
    "licence": "none needed",
    "measured": {"synthetic": {"top1": 0.25, "top5": 1.0}, "how": "in the head"},
    "graph": GRAPH,
}
Write = Callable[..., Path]


def tensors() -> dict[str, Tensor]:
    """Weights of the small network, the last layer's stored as whole numbers."""
    generator = torch.Generator().manual_seed(3)
    return {
        "stem.weight": torch.randn(4, 3, 3, 3, generator=generator),
        "stem.bias": torch.randn(4, generator=generator),
        "block.conv.weight": torch.randn(4, 2, 3, 3, generator=generator).half(),
        "block.conv.bias": torch.randn(4, generator=generator),
        "fc.weight.int8": torch.randint(-127, 128, (5, 8), generator=generator, dtype=torch.int8),
        "fc.weight.scale": torch.rand(5, generator=generator),
        "fc.bias": torch.randn(5, generator=generator),
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write description and file; returns the folder of the data sets."""

    def written(
        about: Mapping[str, Any] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        change: Callable[[bytes], bytes] = bytes,
    ) -> Path:
        given = {**ABOUT, **(about or {})}
        content = save(dict(tensors() if weights is None else weights))
        content = change(lzma.compress(content) if given["file"].endswith(".xz") else content)
        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        (folder / Path(given["file"]).name).write_bytes(content)
        text = json.dumps({"sha256": hashlib.sha256(content).hexdigest(), **given})
        (folder / "tiny.json").write_text(text)
        return tmp_path

    return written

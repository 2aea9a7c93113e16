"""This project's side: convert, store, restore and judge, with public functions at their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inputs import Batch
from torch import Tensor, nn

from spikewright.convert import OPI, Percentile, Recipe, RobustNorm, convert, per_channel
from spikewright.core import Spiking
from spikewright.train import accuracy_over_time
from spikewright.train.checkpoint import load, save

RECIPES: dict[str, Recipe] = {
    "channel-half": OPI(threshold=Percentile(groups=per_channel)),
    "layer-zero": RobustNorm(),
}
"""Conversion -> recipe: a threshold per channel or per layer, and the start at half of it or at zero."""

WAYS = ("default",)


def convert_and_store(network: nn.Module, conversion: str, images: Tensor, path: Path) -> None:
    """Convert with thresholds measured on images [N, C, H, W], and write the thresholds."""
    save(path, convert(network, RECIPES[conversion], images).thresholds, {})


def restore(network: nn.Module, conversion: str, path: Path) -> Spiking:
    """The converted network, with the thresholds of a file."""
    return convert(network, RECIPES[conversion], thresholds=load(path)[0]).model


def with_thresholds(network: nn.Module, conversion: str, path: Path, thresholds: Sequence[Tensor]) -> Spiking:
    """The converted network with other thresholds, one [C] per site in order of execution."""
    found = convert(network, RECIPES[conversion], thresholds=load(path)[0])
    named = {site: value.view(-1, 1, 1) for site, value in zip(found.neurons(), thresholds, strict=True)}
    return convert(network, RECIPES[conversion], thresholds=named).model


def judge(model: Spiking, way: str, batches: Sequence[Batch], timesteps: int, rows: int) -> list[int]:
    """How many images are classified right after each step."""
    return list(accuracy_over_time(model, batches, timesteps, rows=rows).correct)

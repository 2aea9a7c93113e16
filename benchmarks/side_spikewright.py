"""This project's side: convert, store, restore and judge, with public functions at their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inputs import Batch
from torch import Tensor, nn

from spikewright.convert import (
    COS,
    DCGS,
    HMT,
    OPI,
    ErrorOptimal,
    Percentile,
    Recipe,
    RobustNorm,
    convert,
    differential,
    per_channel,
)
from spikewright.convert.start import FittedStart, fit_starts
from spikewright.core import Spiking
from spikewright.models.checkpoint import load, save
from spikewright.neurons.firing import Harmony, MultiThreshold
from spikewright.profile import count_spikes
from spikewright.train import accuracy_over_time

EVERYTHING: dict[str, Any] = {"encode": "everything", "threshold": Percentile(), "scale": 4}
"""For networks whose nonlinearities are not ReLUs: every wire into weights or a product becomes spikes."""
RECIPES: dict[str, Recipe] = {
    "channel-half": OPI(threshold=Percentile(groups=per_channel)),
    "layer-zero": RobustNorm(),
    "calibrated": COS(rho=8, threshold=ErrorOptimal(timesteps=8, groups=per_channel)),
    "differential": DCGS(),
    "harmony": HMT(coding=differential, signed=True, firing=Harmony(dead_zone=0.75)),
    "all-differential": DCGS(firing=MultiThreshold(thresholds=8), **EVERYTHING),
    "all-harmony": HMT(coding=differential, signed=True, firing=Harmony(thresholds=8, dead_zone=0.75), **EVERYTHING),
    **{f"fitted-{t}": OPI(threshold=ErrorOptimal(timesteps=t, groups=per_channel)) for t in (1, 2, 4, 8, 16, 32)},
}
"""Conversion -> recipe: a threshold per channel or per layer, and the start at half of it or at zero; for a number of
steps, thresholds with the least error at it, and starts fitted to it; or each image's offset spikes calibrated over 8
steps before the first output; or only changes sent, in powers of two, by multi-threshold neurons or harmony ones; the
last two with every wire encoded."""

WAYS = ("default",)


def convert_and_store(network: nn.Module, conversion: str, images: Tensor, path: Path) -> None:
    """Convert with thresholds, and starts, measured on images [N, C, H, W], and write them."""
    found = convert(network, RECIPES[conversion], images)
    if conversion.startswith("fitted-"):
        found = fit_starts(found, images, FittedStart(timesteps=int(conversion.removeprefix("fitted-"))))
    starts = {f"start {site}": start for site, start in found.starts.items()}
    save(path, {**found.thresholds, **starts}, {})


def restore(network: nn.Module, conversion: str, path: Path) -> Spiking:
    """The converted network, with the thresholds and starts of a file."""
    tensors = load(path)[0]
    starts = {name.removeprefix("start "): tensor for name, tensor in tensors.items() if name.startswith("start ")}
    thresholds = {name: tensor for name, tensor in tensors.items() if not name.startswith("start ")}
    return convert(network, RECIPES[conversion], thresholds=thresholds, starts=starts).model


def with_thresholds(network: nn.Module, conversion: str, path: Path, thresholds: Sequence[Tensor]) -> Spiking:
    """The converted network with other thresholds, one [C] per site in order of execution."""
    found = convert(network, RECIPES[conversion], thresholds=load(path)[0])
    named = {site: value.view(-1, 1, 1) for site, value in zip(found.neurons(), thresholds, strict=True)}
    return convert(network, RECIPES[conversion], thresholds=named).model


def judge(model: Spiking, way: str, batches: Sequence[Batch], timesteps: int, rows: int) -> list[int]:
    """How many images are classified right after each step."""
    return list(accuracy_over_time(model, batches, timesteps, rows=rows).correct)


def spikes(model: Spiking, x: Tensor, timesteps: int) -> list[int]:
    """Spikes of all neurons in steps 1..t for all images together, for each t."""
    steps = [model.phases.steps(t) for t in range(1, timesteps + 1)]
    counts = count_spikes(model, [x], timesteps=steps[-1])
    return [round(counts.spikes_per_sample(t) * len(x)) for t in steps]

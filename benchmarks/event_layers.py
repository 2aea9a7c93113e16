"""Single layers of known networks on events beside torch's dense convolution, per density of spikes; one thread.

python benchmarks/event_layers.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from calibration import timed
from run import HERE, say, store
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Spiking
from spikewright.neurons import IF
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import compile
from spikewright.runtime.events import listed
from spikewright.runtime.explain import additions
from spikewright.runtime.layer import Layer
from spikewright.runtime.wire import Wire

CASE = "event-layers"
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
TIMESTEPS, SAMPLES = 4, 4


WEIGHTS = {"events": torch.float32, "events, 16 bits": torch.float16, "events, 8 bits": torch.int8}
"""Ways of this project, by the weights that events add up."""


@dataclass(frozen=True)
class Shape:
    """A convolution and the size of its input."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    size: int
    groups: int = 1


SHAPES = (
    Shape("ResNet-18, VGG-16: 3x3, 64 channels, 32x32", 64, 64, 3, 32),
    Shape("ResNet-18, VGG-16: 3x3, 128 channels, 16x16", 128, 128, 3, 16),
    Shape("ResNet-18, VGG-16: 3x3, 256 channels, 8x8", 256, 256, 3, 8),
    Shape("ResNet-18, VGG-16: 3x3, 512 channels, 4x4", 512, 512, 3, 4),
    Shape("ResNet-20: 3x3, 16 channels, 32x32", 16, 16, 3, 32),
    Shape("ResNet-20: 3x3, 32 channels, 16x16", 32, 32, 3, 16),
    Shape("MobileNet: 1x1, 128 to 256 channels, 16x16", 128, 256, 1, 16),
    Shape("MobileNet: depthwise 3x3, 256 channels, 16x16", 256, 256, 3, 16, 256),
)


def compare(rounds: int) -> dict[str, Any]:
    """Measure every shape at every density; return the result as stored."""
    torch.set_num_threads(1)
    runs = []
    with torch.inference_mode():
        for shape in SHAPES:
            say(shape.name)
            for density in DENSITIES:
                runs += measured(shape, density, rounds)
    return {
        "case": CASE,
        "what": f"One layer, {SAMPLES} samples, T = {TIMESTEPS}, one thread",
        "threads": 1,
        "rounds": rounds,
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "runs": runs,
    }


def measured(shape: Shape, density: float, rounds: int) -> list[dict[str, Any]]:
    """The ways in turn, `rounds` times: torch's convolution alone, with its neurons, and the compiled loop."""
    g = torch.Generator().manual_seed(0)
    image = (shape.inputs, shape.size, shape.size)
    spikes = (torch.rand(TIMESTEPS, SAMPLES, *image, generator=g) < density).float()
    spikes = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (TIMESTEPS, SAMPLES))
    torch.manual_seed(0)
    conv = nn.Conv2d(shape.inputs, shape.outputs, shape.kernel, padding=shape.kernel // 2, groups=shape.groups)
    neurons = IF(v_threshold=1.0, start=0.5)
    layers = {way: forced_layer(nn.Sequential(IF(), conv, neurons), spikes, kind) for way, kind in WEIGHTS.items()}
    (source,) = layers["events"].sources
    wire = spikes_as_wire(spikes)
    weight = conv.weight.contiguous(memory_format=torch.channels_last)
    x = spikes.flatten(0, 1)

    def convolution() -> Tensor:
        return F.conv2d(x, weight, conv.bias, padding=shape.kernel // 2, groups=shape.groups)

    ways: dict[str, Callable[[], object]] = {
        "convolution": convolution,
        "convolution and neurons": lambda: neurons.over_time(convolution().unflatten(0, (TIMESTEPS, SAMPLES))),
        **{way: partial(layer.run, {layer.inputs[0]: wire}) for way, layer in layers.items()},
    }
    runs = []
    for number in range(rounds + 1):  # the first one warms up
        for name, way in ways.items():
            spent = timed(way)
            if number:
                about = {"shape": shape.name, "density": density, "additions": additions(wire.listed(), source)}
                runs.append({**about, "way": name, **spent})
    return runs


def spikes_as_wire(spikes: Tensor) -> Wire:
    """Spikes [T, N, C, H, W] of one size as lists."""
    events = listed(spikes)
    events = replace(events, values=None, distinct=True)
    return Wire(len(spikes), tuple(spikes.shape[2:]), events=events)


def forced_layer(model: nn.Module, example: Tensor, weights: torch.dtype) -> Layer:
    """The convolution and what follows it, as the plan has it, on events whatever the density."""
    network = compile(Spiking(model).eval(), example[:1, :1], weights=weights)
    layer = network.operations[1]
    if not isinstance(layer, Layer):
        raise TypeError("expected a layer that the runtime compiles")
    layer.sources[0].density_limit = 1.0
    return layer


def table(result: dict[str, Any]) -> Table:
    """One row per shape and kind of weights: how many times faster than torch's convolution at each density."""
    times: dict[tuple[str, float, str], list[float]] = {}
    for run in result["runs"]:
        times.setdefault((run["shape"], run["density"], run["way"]), []).append(run["seconds"])
    rows = []
    for shape, way in dict.fromkeys((shape, way) for shape, _, way in times if way in WEIGHTS):
        cells = [
            median(a / b for a, b in zip(times[shape, density, "convolution"], times[shape, density, way]))
            for density in DENSITIES
        ]
        rows.append((shape, way, *cells))
    columns = (Column("layer"), Column("way"), *(Column(f"{100 * density:g} %", "×", 2) for density in DENSITIES))
    note = (
        "The event time holds the neurons and the new lists, torch's time the convolution alone; median of the rounds."
    )
    return Table("Events against dense convolution", columns, tuple(rows), "Speed-up per density of spikes.", (note,))


def rates(result: dict[str, Any]) -> Table:
    """One row per shape: additions a second, the most over all densities."""
    rows = []
    for shape in dict.fromkeys(run["shape"] for run in result["runs"]):
        own = [run for run in result["runs"] if run["shape"] == shape and run["way"] == "events"]
        rows.append((shape, max(run["additions"] / run["seconds"] for run in own)))
    return Table("Additions a second", (Column("layer"), Column("additions", "/s", None)), tuple(rows))


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    result = compare(options.rounds)
    result["load_before_and_after"] = [before, os.getloadavg()]
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

"""How the time on events grows: with the events themselves, with T, batch, width, size and threads; what it takes.

python benchmarks/event_scaling.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from calibration import calibration_batches
from event_layers import forced_layer, spikes_as_wire
from run import HERE, say, store
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import OPI, convert, per_channel
from spikewright.convert.statistics import Percentile
from spikewright.experiments.network import load_network
from spikewright.neurons import IF
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import EventNetwork, compile
from spikewright.runtime.explain import additions
from spikewright.runtime.layer import Layer

CASE = "event-scaling"
FIGURE = HERE.parent / "docs/figures/events-time.png"
NETWORK, TIMESTEPS, IMAGES = "cifar10_resnet20_relu", 8, 40
SCALES = (1.0, 1.5, 2.5, 4.0, 8.0)
"""Thresholds are raised by these factors: the higher, the fewer spikes."""


@dataclass(frozen=True)
class Setting:
    """A layer of 3x3 weights and how it is run."""

    timesteps: int = 8
    samples: int = 8
    channels: int = 64
    size: int = 16
    threads: int = 1
    density: float = 0.05


SETTINGS: dict[str, tuple[Setting, ...]] = {
    "T": tuple(Setting(timesteps=t) for t in (1, 2, 4, 8, 16, 32, 64)),
    "batch": tuple(Setting(samples=n) for n in (1, 2, 4, 8, 16, 32, 64)),
    "channels": tuple(Setting(channels=c) for c in (16, 32, 64, 128, 256, 512)),
    "size": tuple(Setting(size=s) for s in (4, 8, 16, 32, 64)),
    "threads": tuple(Setting(threads=t) for t in (1, 2)),
    "threads, one sample": tuple(Setting(threads=t, samples=1) for t in (1, 2)),
}


def events_and_times(rounds: int) -> list[dict[str, Any]]:
    """A network of one sample on many images and at several sparsity levels: its additions, and how long it takes."""
    torch.set_num_threads(1)
    (images,) = calibration_batches(200, 200)
    source = load_network(NETWORK).model.eval()
    recipe = OPI(threshold=Percentile(groups=per_channel))
    measured = convert(source, recipe, images).thresholds
    networks = {}
    for scale in SCALES:
        model = convert(source, recipe, thresholds={name: scale * value for name, value in measured.items()}).model
        networks[scale] = compile(model.eval(), repeat(images[:1], TIMESTEPS))
        on_events(networks[scale])
    found = [
        {
            "scale": scale,
            "image": image,
            "additions": _done(network, images[image : image + 1]),
            "seconds": float("inf"),
        }
        for scale, network in networks.items()
        for image in range(IMAGES)
    ]
    for number in range(rounds):  # rounds outermost: what slows the machine for seconds does not hit one level alone
        say(f"round {number + 1} of {rounds}")
        for point in found:
            xs = repeat(images[point["image"] : point["image"] + 1], TIMESTEPS)
            point["seconds"] = min(point["seconds"], _seconds(partial(networks[point["scale"]], xs)))
    return found


def _done(network: EventNetwork, image: Tensor) -> float:
    plan = network.explain(repeat(image, TIMESTEPS))
    return float(sum(a or 0 for path, a in zip(plan.column("path"), plan.column("additions")) if path == "events"))


def on_events(network: EventNetwork) -> None:
    """Let every layer that reads spikes run on them, whatever the density."""
    for operation in network.operations:
        for source in operation.sources if isinstance(operation, Layer) else ():
            source.density_limit = 1.0


def scaled(rounds: int) -> list[dict[str, Any]]:
    """One layer in every setting."""
    found = []
    for what, settings in SETTINGS.items():
        say(what)
        for setting in settings:
            torch.set_num_threads(setting.threads)
            layer, wire = _layer(setting)
            run = partial(layer.run, {layer.inputs[0]: wire})
            run()
            seconds = median(_seconds(run) for _ in range(rounds))
            done = additions(wire.listed(), layer.sources[0])
            found.append({"what": what, **vars(setting), "seconds": seconds, "additions": done})
    torch.set_num_threads(1)
    return found


def _layer(setting: Setting, weights: torch.dtype = torch.float32) -> tuple[Layer, Any]:
    torch.manual_seed(0)
    c = setting.channels
    model = nn.Sequential(IF(), nn.Conv2d(c, c, 3, padding=1), IF(v_threshold=1.0, start=0.5))
    image = (c, setting.size, setting.size)
    spikes = (torch.rand(setting.timesteps, setting.samples, *image) < setting.density).float()
    return forced_layer(model, spikes, weights), spikes_as_wire(spikes)


def memory() -> dict[str, float]:
    """Bytes per synapse of a layer's packed weights, and per neuron and step of its lists, at 64 channels."""
    setting = replace(Setting(), samples=1)
    found = {}
    for name, kind in (("32 bits", torch.float32), ("16 bits", torch.float16), ("8 bits", torch.int8)):
        layer, wire = _layer(setting, kind)
        packed = layer.sources[0].synapse(wire.listed(), 64).packed
        found[f"weights of {name}, per synapse"] = packed.nbytes / layer.sources[0].weight.size
    layer.run({layer.inputs[0]: wire})
    counts, lists, _ = layer._rooms[setting.timesteps, 1]
    neurons = setting.channels * setting.size**2 * setting.timesteps
    found["lists of unit spikes, per neuron and step"] = (counts.nbytes + lists.nbytes) / neurons
    return found


def compile_seconds() -> dict[str, float]:
    """How long compile() takes in a new process, without and with the machine code of an earlier one on disk."""
    code = (
        "import time, torch; from spikewright.coding import repeat; from spikewright.convert import OPI, convert; "
        "from spikewright.experiments.network import load_network; from spikewright.runtime import compile; "
        f"torch.set_num_threads(1); x = torch.rand(64, 3, 32, 32); m = load_network('{NETWORK}').model.eval(); "
        "m = convert(m, OPI(), x).model.eval(); xs = repeat(x[:1], 8); t = time.perf_counter(); compile(m, xs); "
        "print(time.perf_counter() - t)"
    )
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("first time on a machine", "later processes"):
            say(f"compile: {name}")
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            found[name] = float(done.stdout.split()[-1])
    return found


def _seconds(run: Any) -> float:
    with torch.inference_mode():
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin


def fit(points: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Seconds without events, seconds per addition, and R^2 of the straight line through the points."""
    x, y = (np.array([point[name] for point in points]) for name in ("additions", "seconds"))
    slope, offset = np.polyfit(x, y, 1)
    return float(offset), float(slope), float(1 - ((y - offset - slope * x) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def tables(result: dict[str, Any]) -> list[Table]:
    """The line through time against events, the settings, and what compiling and storing take."""
    offset, slope, share = fit(result["points"])
    line = Table(
        "Time against events",
        (
            Column("network"),
            Column("T", "steps"),
            Column("images and sparsity levels"),
            Column("without events", "s", None),
            Column("per million additions", "s", None),
            Column("R²", "", 3),
        ),
        ((result["network"], result["timesteps"], len(result["points"]), offset, 1e6 * slope, share),),
        "Straight line through all points of the figure, the least time of all rounds each; one sample, one thread.",
    )
    rows = [
        (r["what"], r["timesteps"], r["samples"], r["channels"], r["size"], r["threads"], r["seconds"],
         r["additions"] / r["seconds"])
        for r in result["runs"]
    ]  # fmt: skip
    names = ("what changes", "T", "samples", "channels", "size", "threads")
    columns = (*(Column(name) for name in names), Column("time", "s", None), Column("additions", "/s", None))
    settings = Table("Scaling", columns, tuple(rows), "A layer of 3x3 weights with IF neurons, density 5 %.")
    taken = Table("Memory", (Column("what"), Column("bytes", "", 2)), tuple(result["memory"].items()))
    compiled = Table("compile()", (Column("when"), Column("time", "s", 1)), tuple(result["compile"].items()))
    return [line, settings, taken, compiled]


def draw(result: dict[str, Any], path: Path) -> None:
    """Milliseconds against additions, a colour for each sparsity level."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    ax = figure.subplots()
    scales = list(dict.fromkeys(point["scale"] for point in result["points"]))
    for place, scale in enumerate(scales):
        own = [point for point in result["points"] if point["scale"] == scale]
        shade = 0.15 + 0.7 * place / max(len(scales) - 1, 1)
        ax.scatter(
            [p["additions"] / 1e6 for p in own],
            [p["seconds"] * 1e3 for p in own],
            s=14,
            color=(0.1, shade, 0.75 - 0.3 * shade),
            label=f"thresholds × {scale:g}",
        )
    offset, slope, share = fit(result["points"])
    most = max(point["additions"] for point in result["points"])
    ax.plot([0, most / 1e6], [offset * 1e3, (offset + slope * most) * 1e3], color="0.3", linewidth=1)
    ax.set(xlim=(0, None), ylim=(0, None), xlabel="additions caused by spikes [million]", ylabel="time [ms]")
    ax.set_title(f"{result['network']}, T = {result['timesteps']}, one image: R² = {share:.3f}", fontsize=10)
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    result = {
        "case": CASE,
        "what": "Scaling of the event runtime",
        "network": NETWORK,
        "timesteps": TIMESTEPS,
        "rounds": options.rounds,
        "seed": 0,
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "points": events_and_times(options.rounds),
        "runs": scaled(options.rounds),
        "memory": memory(),
        "compile": compile_seconds(),
    }
    result["load_before_and_after"] = [before, os.getloadavg()]
    store(result, options.results / CASE)
    draw(result, FIGURE)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())

"""What calibration costs beside the plain forward passes over the same images, per statistic; one thread.

python benchmarks/calibration.py
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from run import HERE, say, store
from torch import Tensor, fx

from spikewright.convert import ErrorOptimal, Maximum, Percentile, per_channel
from spikewright.convert.driver import trace_for_inference
from spikewright.convert.operations import is_relu
from spikewright.convert.rules import sites
from spikewright.convert.statistics import At, Statistic, measure
from spikewright.core.batch_norm import fold_batch_norm
from spikewright.data import cifar10
from spikewright.experiments.network import load_network
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table

CASE = "calibration"
STATISTICS: dict[str, Statistic] = {
    "Maximum, per layer": Maximum(),
    "Maximum, per channel": Maximum(groups=per_channel),
    "Percentile 99.9, per layer": Percentile(),
    "Percentile 99.9, per channel": Percentile(groups=per_channel),
    "ErrorOptimal T = 8, per layer": ErrorOptimal(timesteps=8),
    "ErrorOptimal T = 8, per channel": ErrorOptimal(timesteps=8, groups=per_channel),
    "ErrorOptimal T = 32, per channel": ErrorOptimal(timesteps=32, groups=per_channel),
}
FORWARD = "forward passes"


def source(network: str) -> fx.GraphModule:
    """A trained network as calibration runs it: traced, batch norm folded."""
    graph = trace_for_inference(load_network(network).model)
    fold_batch_norm(graph)
    return graph


def calibration_batches(images: int, batch_size: int) -> list[Tensor]:
    """Batches of the embedded training images, from the first on, and from the first again when they are used up."""
    data = cifar10.load(split="calibration")
    x, _ = data.gather(torch.arange(images) % len(data))
    return list(x.split(batch_size))


def forward(graph: fx.GraphModule, batches: list[Tensor]) -> None:
    """The passes alone."""
    with torch.no_grad():
        for x in batches:
            graph(x)


def timed(run: Callable[[], object]) -> dict[str, float]:
    """Seconds of the clock and of this process's processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}


def compare(network: str, images: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """Measure everything in turn, so that a change of the machine's pace is shared; return the result as stored."""
    torch.set_num_threads(1)
    graph, batches = source(network), calibration_batches(images, batch_size)
    relus = [site for site in sites(graph) if is_relu(site)]
    ways: dict[str, Callable[[], object]] = {FORWARD: lambda: forward(graph, batches)}
    for name, statistic in STATISTICS.items():
        ways[name] = partial(measure, graph, [(site, At(is_relu, statistic)) for site in relus], batches)
    runs = []
    for number in range(rounds + 1):  # the first one warms up
        say(f"round {number} of {rounds}")
        times = {name: timed(way) for name, way in ways.items()}
        runs += [{"round": number, "way": name, **spent} for name, spent in times.items()] if number else []
    return {
        "case": CASE,
        "what": f"Thresholds of {network} from {images} images in batches of {batch_size}, one thread",
        "network": network,
        "images": images,
        "batch_size": batch_size,
        "sites": len(relus),
        "threads": 1,
        "rounds": rounds,
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "runs": runs,
    }


def comparison(result: dict[str, Any]) -> Table:
    """One row per statistic: medians, and how often the forward passes would fit into its time."""
    columns = (
        Column("statistic"),
        Column("processor time", "s", 2),
        Column("clock", "s", 2),
        Column("factor", "", 2, "processor time over that of the forward passes"),
    )
    spent: dict[str, tuple[float, float]] = {}
    for name in dict.fromkeys(run["way"] for run in result["runs"]):
        runs = [run for run in result["runs"] if run["way"] == name]
        spent[name] = (median(run["cpu_seconds"] for run in runs), median(run["seconds"] for run in runs))
    plain, _ = spent[FORWARD]
    rows = tuple((name, processor, clock, processor / plain) for name, (processor, clock) in spent.items())
    return Table("Calibration", columns, rows, caption=f"{result['what']}; medians of {result['rounds']} rounds.")


def main() -> int:
    """Run the benchmark as the command line asks, store its result and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundred images, once; nothing is stored")
    parser.add_argument("--network", default="cifar10_resnet20_relu", help="name or file of a ReLU network")
    parser.add_argument("--images", type=int, default=1000, help="how many images calibrate")
    parser.add_argument("--batch-size", type=int, default=100, help="images per batch")
    parser.add_argument("--rounds", type=int, default=5, help="how often each statistic is measured")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    if os.getloadavg()[0] > 0.5 and not options.quick:
        say(f"the machine is busy (load {os.getloadavg()[0]:.1f}): for times that can be trusted, use an idle one")
    images, rounds = (100, 1) if options.quick else (options.images, options.rounds)
    result = compare(options.network, images, options.batch_size, rounds)
    print(comparison(result).to_markdown())
    if options.quick:
        return 0
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

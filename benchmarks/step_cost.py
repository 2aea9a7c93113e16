"""What a time step of a converted network costs beside one forward pass of its source, per method; one thread.

python benchmarks/step_cost.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from calibration import calibration_batches, timed
from run import HERE, say, store

from spikewright.coding import repeat
from spikewright.convert import DCGS, HMT, OPI, Recipe, convert
from spikewright.experiments.network import load_network
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table

CASE = "step-cost"
RECIPES: dict[str, Recipe] = {"OPI": OPI(), "DCGS": DCGS(), "HMT": HMT()}
SOURCE = "source"


def compare(network: str, batches: tuple[int, ...], timesteps: int, rounds: int) -> dict[str, Any]:
    """Measure everything in turn, so that a change of the machine's pace is shared; return the result as stored."""
    torch.set_num_threads(1)
    (images,) = calibration_batches(max(*batches, 200), max(*batches, 200))
    source = load_network(network).model.eval()
    models = {name: convert(source, recipe, images) for name, recipe in RECIPES.items()}
    runs = []
    for number in range(rounds + 1):  # the first one warms up
        say(f"round {number} of {rounds}")
        for batch in batches:
            x = images[:batch]
            ways: dict[str, Callable[[], object]] = {SOURCE: lambda x=x: models["OPI"].source(x)}
            for name, conversion in models.items():
                ways[name] = lambda x=x, model=conversion.model: model(repeat(x, timesteps))
            with torch.inference_mode():
                times = {name: timed(way) for name, way in ways.items()}
            runs += [{"batch": batch, "way": name, **spent} for name, spent in times.items()] if number else []
    return {
        "case": CASE,
        "what": f"One time step of {network} against one forward pass, T = {timesteps}, one thread",
        "network": network,
        "timesteps": timesteps,
        "threads": 1,
        "rounds": rounds,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "runs": runs,
    }


def comparison(result: dict[str, Any]) -> Table:
    """One row per method and batch: the median time of a step over that of the source's forward pass."""
    columns = (
        Column("method"),
        Column("images"),
        Column("step", "ms", 2, "Processor time of T steps divided by T, median of rounds."),
        Column("source", "ms", 2, "Processor time of one forward pass over the same images."),
        Column("factor", "", 2, "Step over forward pass."),
    )

    def spent(way: str, batch: int) -> float:
        return median(run["cpu_seconds"] for run in result["runs"] if (run["way"], run["batch"]) == (way, batch))

    rows = []
    for way in dict.fromkeys(run["way"] for run in result["runs"] if run["way"] != SOURCE):
        for batch in dict.fromkeys(run["batch"] for run in result["runs"]):
            step, forward = spent(way, batch) / result["timesteps"], spent(SOURCE, batch)
            rows.append((way, batch, 1e3 * step, 1e3 * forward, step / forward))
    return Table("Cost of a step", columns, tuple(rows), caption=f"{result['what']}; {result['rounds']} rounds.")


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="cifar10_resnet20_relu", help="a network of spikewright's")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 50], help="images at a time")
    parser.add_argument("--timesteps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    result = compare(options.network, tuple(options.batches), options.timesteps, options.rounds)
    result["load_before_and_after"] = [before, os.getloadavg()]
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

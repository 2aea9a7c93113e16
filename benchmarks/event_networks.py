"""Whole networks on events beside torch: the compiled network, the spiking network in torch, and its source.

SPIKEWRIGHT_DATA=... python benchmarks/event_networks.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from calibration import timed
from run import HERE, say, store
from torch import Tensor

from spikewright.coding import repeat
from spikewright.convert import COS, HMT, OPI, ErrorOptimal, Recipe, convert, differential, per_channel
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import load_network
from spikewright.neurons.firing import Harmony
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import compile
from spikewright.train import accuracy_over_time

CASE = "event-networks"
RECIPES: dict[str, Recipe] = {
    "OPI": OPI(threshold=ErrorOptimal(timesteps=8, groups=per_channel)),
    "COS": COS(rho=8, threshold=ErrorOptimal(timesteps=8, groups=per_channel)),
    "HMT": HMT(coding=differential, signed=True, firing=Harmony(dead_zone=0.75)),
}


@dataclass(frozen=True)
class Case:
    """A network, how it is converted, and its number of steps."""

    network: str
    recipe: str
    timesteps: int


CASES = (
    Case("cifar10_resnet20", "HMT", 1),
    Case("cifar10_resnet20", "OPI", 8),
    Case("cifar10_resnet20", "COS", 4),
    Case("cifar10_vgg16_bn", "HMT", 1),
    Case("cifar10_vgg16_bn", "OPI", 8),
    Case("cifar10_vgg16_bn", "COS", 4),
)


def compare(
    cases: tuple[Case, ...], batches: tuple[int, ...], images: int, rounds: int, threads: int
) -> dict[str, Any]:
    """Convert, judge and time every case; return the result as stored."""
    torch.set_num_threads(threads)
    runs = [run for case in cases for run in _measured(case, batches, images, rounds)]
    return {
        "case": CASE,
        "what": f"Whole networks on events, {images} test images judged, threads: {threads}",
        "threads": threads,
        "rounds": rounds,
        "images": images,
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "runs": runs,
    }


@torch.inference_mode()
def _measured(case: Case, batches: tuple[int, ...], images: int, rounds: int) -> list[dict[str, Any]]:
    say(f"{case.network}, {case.recipe}, T = {case.timesteps}")
    judged = Batches(load_dataset("cifar10", None, "test").subset(images), 50)
    calibration = Batches(load_dataset("cifar10", None, "train").subset(500), 100)
    conversion = convert(load_network(case.network).model.eval(), RECIPES[case.recipe], calibration)
    model, source = conversion.model.eval(), conversion.source.to(memory_format=torch.channels_last)
    first, _ = next(iter(judged))
    steps = model.phases.steps(case.timesteps)
    network = compile(model, repeat(first[:8], steps))
    judgement = accuracy_over_time(network, judged, case.timesteps, source=source, rows=50 * steps)
    about = {
        **vars(case),
        "accuracy": judgement.accuracy[-1],
        "source_accuracy": judgement.source_accuracy,
        "density": _density(network.explain(repeat(first[:8], steps))),
    }
    runs = []
    for batch in batches:
        x = first[:batch].contiguous(memory_format=torch.channels_last)
        xs = repeat(x, steps)
        ways: dict[str, Callable[[], Tensor]] = {
            "source": lambda x=x: source(x),
            "torch": lambda xs=xs: model(xs),
            "events": lambda xs=xs: network(xs),
        }
        for number in range(rounds + 1):  # the first one warms up
            for name, way in ways.items():
                spent = timed(way)
                runs += [{**about, "batch": batch, "way": name, **spent}] if number else []
    return runs


def _density(plan: Table) -> float:
    """Additions that the events cause over the multiplications of dense layers at every step."""
    done = [(a, b) for path, a, b in zip(*(plan.column(c) for c in ("path", "additions", "dense"))) if path == "events"]
    total = sum(float(b or 0) for _, b in done)
    return sum(float(a or 0) for a, _ in done) / total if total else 0.0


def table(result: dict[str, Any]) -> Table:
    """One row per case and batch."""
    rows = []
    for key in dict.fromkeys((run["network"], run["recipe"], run["timesteps"], run["batch"]) for run in result["runs"]):
        own = [r for r in result["runs"] if (r["network"], r["recipe"], r["timesteps"], r["batch"]) == key]
        times = {
            way: [run["seconds"] / key[3] for run in own if run["way"] == way] for way in ("source", "torch", "events")
        }
        ratios = [median(a / b for a, b in zip(times[way], times["events"])) for way in ("torch", "source")]
        about = own[0]
        seconds = [median(times[way]) for way in ("events", "torch", "source")]
        rows.append((*key, about["accuracy"], about["source_accuracy"], about["density"], *seconds, *ratios))
    columns = (
        Column("network"),
        Column("recipe"),
        Column("T", "steps"),
        Column("batch"),
        Column("accuracy", "%", 1),
        Column("source", "%", 1),
        Column(
            "density", "%", 1, "additions over the multiplications of dense layers at every step, where events are run"
        ),
        Column("events", "s", None, "time per image"),
        Column("torch", "s", None, "time per image of the same network in torch's operations"),
        Column("source network", "s", None, "time per image of the network that was converted, batch norm folded"),
        Column("against torch", "×", 2, "median of the rounds"),
        Column("against source", "×", 2, "the same; above 1 the spiking network answers sooner than its source"),
    )
    return Table("Networks on events", columns, tuple(rows))


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images at a time")
    parser.add_argument("--images", type=int, default=200, help="test images judged")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", help="only the cases of this network")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    cases = tuple(case for case in CASES if options.network in (None, case.network))
    result = compare(cases, tuple(options.batches), options.images, options.rounds, options.threads)
    result["load_before_and_after"] = [before, os.getloadavg()]
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

"""Time against accuracy: every method at several T on events, in 32 and 8 bits, and the networks that were converted.

SPIKEWRIGHT_DATA=... python benchmarks/event_pareto.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from calibration import timed
from run import HERE, say, store
from torch import Tensor

from spikewright.coding import repeat
from spikewright.convert import (
    COS,
    DCGS,
    HMT,
    OPI,
    QCFS,
    SRP,
    ErrorOptimal,
    GaussianOptimal,
    Recipe,
    convert,
    differential,
    fit_starts,
    per_channel,
)
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import load_network
from spikewright.experiments.pareto import pareto_front
from spikewright.neurons.firing import Harmony
from spikewright.report.environment import environment
from spikewright.report.plots import pareto
from spikewright.report.table import Column, Table
from spikewright.runtime import compile

CASE = "event-pareto"
FIGURES = HERE.parent / "docs/figures"
WEIGHTS = {"32 bits": torch.float32, "8 bits": torch.int8}
ANN = "ANN in torch"
ERROR, GAUSSIAN = ErrorOptimal(timesteps=8, groups=per_channel), GaussianOptimal(timesteps=4, groups=per_channel)
FEW = GaussianOptimal(timesteps=2, groups=per_channel)


@dataclass(frozen=True)
class Method:
    """How a network is converted, and at which T it is run."""

    name: str
    network: str
    recipe: Recipe
    timesteps: tuple[int, ...]
    fitted: bool = False


H_MT = HMT(coding=differential, signed=True, firing=Harmony(thresholds=3, dead_zone=0.75), threshold=FEW)
TRAINED = "cifar10_resnet20_qcfs_l4_fine_tune"
METHODS: dict[str, tuple[Method, ...]] = {
    "resnet20": (
        Method("OPI", "cifar10_resnet20", OPI(threshold=ERROR), (8, 16, 32), fitted=True),
        Method("COS", "cifar10_resnet20", COS(rho=8, threshold=ERROR), (8,)),
        Method("HMT", "cifar10_resnet20", H_MT, (1, 2)),
        Method("DCGS", "cifar10_resnet20", DCGS(threshold=GAUSSIAN), (1, 2, 4)),
        Method("QCFS, trained", TRAINED, QCFS(), (4, 8, 16, 32)),
        Method("SRP, trained", TRAINED, SRP(tau=4), (1, 4)),
        Method("COS, trained", TRAINED, COS(rho=4), (4,)),
    ),
    "vgg16": (
        Method("OPI", "cifar10_vgg16_bn", OPI(threshold=ERROR), (4, 8, 16), fitted=True),
        Method("COS", "cifar10_vgg16_bn", COS(rho=8, threshold=ERROR), (8,)),
        Method("HMT", "cifar10_vgg16_bn", H_MT, (1, 2)),
        Method("DCGS", "cifar10_vgg16_bn", DCGS(threshold=GAUSSIAN), (1, 2, 4)),
    ),
}
IMAGES = {"resnet20": 200, "vgg16": 75}
BATCH = 25


def compare(share: float) -> dict[str, Any]:
    """Convert everything, then run it in turn, batch by batch; return the result as stored."""
    torch.set_num_threads(1)
    return {
        "case": CASE,
        "what": f"Time against accuracy on CIFAR-10 test images, {BATCH} at a time, one thread",
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "runs": [run for name in METHODS for run in _measured(name, int(IMAGES[name] * share))],
    }


@torch.no_grad()
def _measured(architecture: str, images: int) -> list[dict[str, Any]]:
    judged = Batches(load_dataset("cifar10", None, "test").subset(images), BATCH)
    calibration = Batches(load_dataset("cifar10", None, "train").subset(500), 100)
    x, _ = next(iter(judged))
    ways: dict[tuple[str, str, int | None], Callable[[Tensor], Tensor]] = {}
    for method in METHODS[architecture]:
        say(f"{architecture}: {method.name}")
        network = load_network(method.network).model.eval()
        with torch.enable_grad():
            conversion = convert(network, method.recipe, calibration if method.recipe.statistics() else None)
            conversion = fit_starts(conversion, calibration) if method.fitted else conversion
        model = conversion.model.eval()
        name = f"{ANN}, trained for QCFS" if method.network == TRAINED else ANN
        ways.setdefault((name, "32 bits", None), _source(conversion.source.eval()))
        for bits, kind in WEIGHTS.items():
            events = compile(model, repeat(x[:4], model.phases.steps(method.timesteps[0])), weights=kind)
            for timesteps in method.timesteps:
                ways[method.name, bits, timesteps] = partial(_answers, events, timesteps)
    found: dict[tuple[str, str, int | None], list[dict[str, Any]]] = {way: [] for way in ways}
    for number, (x, y) in enumerate(judged):
        say(f"{architecture}: images from {number * BATCH} on")
        for way, run in ways.items():
            if not number:
                run(x[:4])  # compiles, packs weights
            found[way].append(_timed(run, x, y))
    return [
        {
            **{"architecture": architecture, "recipe": recipe, "weights": bits, "timesteps": timesteps},
            **{"images": images, "right": sum(run["right"] for run in runs)},
            "seconds": [run["seconds"] for run in runs],
        }
        for (recipe, bits, timesteps), runs in found.items()
    ]


def _source(source: Any) -> Callable[[Tensor], Tensor]:
    source = source.to(memory_format=torch.channels_last)
    return lambda x: source(x.contiguous(memory_format=torch.channels_last))


def _answers(events: Any, timesteps: int, x: Tensor) -> Tensor:
    """Logits after T steps that count."""
    phases = events.phases
    return events(repeat(x, phases.steps(timesteps)))[phases.rehearsal :][:timesteps].mean(0)


@torch.inference_mode()
def _timed(run: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> dict[str, Any]:
    out: list[Tensor] = []
    spent = timed(lambda: out.append(run(x)))
    return {"right": int((out[0].argmax(-1) == y).sum()), "seconds": spent["seconds"] / len(x)}


def table(result: dict[str, Any], architecture: str) -> Table:
    """One row per way, quickest first."""
    runs = [run for run in result["runs"] if run["architecture"] == architecture]
    runs.sort(key=lambda run: median(run["seconds"]))
    times, shares = [median(run["seconds"]) for run in runs], [run["right"] / run["images"] for run in runs]
    spiking = [seconds if run["timesteps"] else None for run, seconds in zip(runs, times)]  # the others are levels
    front = pareto_front(spiking, shares)
    rows = [
        (run["recipe"], run["weights"], run["timesteps"], seconds, share, on)
        for run, seconds, share, on in zip(runs, times, shares, front)
    ]
    columns = (
        *(Column("recipe"), Column("weights"), Column("T", "steps")),
        Column("time", "s", None, "per image, median of the batches"),
        Column("accuracy", "%", 1),
        Column("front", "", None, "no other spiking one answers sooner and is right as often"),
    )
    return Table(f"Time against accuracy: {architecture}", columns, tuple(rows), f"{runs[0]['images']} images.")


def draw(result: dict[str, Any], folder: Path) -> None:
    """Draw one figure per architecture."""
    for architecture in METHODS:
        figure = pareto.draw(table(result, architecture), cost="time", series=("recipe", "weights"))
        figure.savefig(folder / f"events-pareto-{architecture}.png")


def main() -> int:
    """Run the benchmark as the command line asks, store its result, draw it and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the images, for a busy machine")
    parser.add_argument("--quick", action="store_true", help="a quarter of the images; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    result = compare(0.25 if options.quick else options.share)
    result["load_before_and_after"] = [before, os.getloadavg()]
    for architecture in METHODS:
        print(table(result, architecture).to_markdown())
    if options.quick:
        return 0
    store(result, options.results / CASE)
    draw(result, FIGURES)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

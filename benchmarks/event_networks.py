"""Whole networks on events beside torch, SpikingJelly and the network that was converted, in torch and ONNX Runtime.

SPIKEWRIGHT_DATA=... .venv-bench/bin/python benchmarks/event_networks.py
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
from torch import Tensor, nn

from spikewright.coding import repeat
from spikewright.convert import (
    DCGS,
    HMT,
    OPI,
    ErrorOptimal,
    GaussianOptimal,
    Recipe,
    convert,
    differential,
    per_channel,
)
from spikewright.core.spiking import Timed
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import load_network
from spikewright.neurons.firing import Harmony
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import compile
from spikewright.train import accuracy_over_time

CASE = "event-networks"
OPTIMAL = GaussianOptimal(timesteps=4, groups=per_channel)
RECIPES: dict[str, Recipe] = {
    "OPI": OPI(threshold=ErrorOptimal(timesteps=8, groups=per_channel)),
    "DCGS": DCGS(threshold=OPTIMAL),
    "HMT": HMT(coding=differential, signed=True, firing=Harmony(thresholds=3, dead_zone=0.75), threshold=OPTIMAL),
}
PEER = "channel-half"
"""SpikingJelly's conversion: one spike size a neuron, as OPI has it."""
WEIGHTS = {"events": torch.float32, "events, 16 bits": torch.float16, "events, 8 bits": torch.int8}


@dataclass(frozen=True)
class Case:
    """A network, how it is converted, and its number of steps."""

    network: str
    recipe: str
    timesteps: int


CASES = (
    Case("cifar10_vgg16_bn", "HMT", 1),
    Case("cifar10_vgg16_bn", "DCGS", 1),
    Case("cifar10_vgg16_bn", "OPI", 4),
    Case("cifar10_vgg16_bn", "OPI", 8),
    Case("cifar10_resnet20", "HMT", 1),
    Case("cifar10_resnet20", "OPI", 8),
)
OF_A_FILE = (("HMT", 1), ("OPI", 4), ("OPI", 8))
"""Recipes and steps for a network of your own, `--file`."""


def compare(
    cases: tuple[Case, ...], batches: tuple[int, ...], images: int, rounds: int, threads: tuple[int, ...]
) -> dict[str, Any]:
    """Convert, judge and time every case; return the result as stored."""
    return {
        "case": CASE,
        "what": f"Whole networks on events, {images} CIFAR-10 test images judged, 500 training images to convert",
        "rounds": rounds,
        "images": images,
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(
            ("torch", "numpy", "numba", "onnxruntime", "spikingjelly", "spikewright"), source=Path(__file__)
        ),
        "runs": [run for case in cases for run in _measured(case, batches, images, rounds, threads)],
    }


@torch.no_grad()
def _measured(
    case: Case, batches: tuple[int, ...], images: int, rounds: int, threads: tuple[int, ...]
) -> list[dict[str, Any]]:
    say(f"{case.network}, {case.recipe}, T = {case.timesteps}")
    torch.set_num_threads(threads[0])
    judged = Batches(load_dataset("cifar10", None, "test").subset(images), 50)
    calibration = Batches(load_dataset("cifar10", None, "train").subset(500), 100)
    network = load_network(case.network).model.eval()
    conversion = convert(network, RECIPES[case.recipe], calibration)
    model, source = conversion.model.eval(), conversion.source.eval()
    first = torch.cat([x for x, _ in judged])[: max(batches)]
    steps = model.phases.steps(case.timesteps)
    compiled = {way: compile(model, repeat(first[:8], steps), weights=kind) for way, kind in WEIGHTS.items()}
    about: dict[str, Any] = {**vars(case), "source_accuracy": None, "density": None, "accuracy": {}}
    for way, events in compiled.items():
        judgement = accuracy_over_time(events, judged, case.timesteps, source=source, rows=50 * steps)
        about["accuracy"][way], about["source_accuracy"] = judgement.accuracy[-1], judgement.source_accuracy
    about["density"] = _density(compiled["events"].explain(repeat(first[:8], steps)))
    peer = _peer(network, case, calibration)
    if peer is not None:
        right = sum(int((peer(x).mean(0).argmax(-1) == y).sum()) for x, y in judged)
        about["accuracy"]["SpikingJelly"] = 100 * right / images
    return [
        {**about, **run}
        for few in threads
        for run in _timed(first, source, model, compiled, peer, steps, batches, rounds, few)
    ]


def _timed(
    first: Tensor,
    source: nn.Module,
    model: nn.Module,
    compiled: dict[str, Timed],
    peer: Callable[[Tensor], Tensor] | None,
    steps: int,
    batches: tuple[int, ...],
    rounds: int,
    threads: int,
) -> list[dict[str, Any]]:
    from side_onnx import session

    torch.set_num_threads(threads)
    onnx = session(source, first, threads)
    for events in compiled.values():
        events.choose(repeat(first[:8], steps))  # pyright: ignore[reportCallIssue]
    runs = []
    for batch in batches:
        plain = first[:batch].contiguous()
        x = plain.contiguous(memory_format=torch.channels_last)
        xs = repeat(x, steps)
        ways: dict[str, Callable[[], object]] = {
            "source": partial(source.to(memory_format=torch.channels_last), x),
            "source, ONNX Runtime": partial(onnx, plain),
            "torch": partial(model, xs),
            **{way: partial(events, xs) for way, events in compiled.items()},
            **({} if peer is None else {"SpikingJelly": partial(peer, plain)}),
        }
        for number in range(rounds + 1):  # the first one warms up
            for name, way in ways.items():
                with torch.inference_mode():
                    spent = timed(way)
                runs += [{"threads": threads, "batch": batch, "way": name, **spent}] if number else []
    return runs


def _peer(network: nn.Module, case: Case, calibration: Batches) -> Callable[[Tensor], Tensor] | None:
    """SpikingJelly's conversion of the same network with as many steps; None where it has none of the kind."""
    if case.recipe != "OPI":
        return None
    from side_spikingjelly import converted, outputs

    model = converted(network, PEER, torch.cat([x for x, _ in calibration]))
    return lambda x: outputs(model, "multi-step" if len(x) == 1 else "single-step", x, case.timesteps, len(x))


def _density(plan: Table) -> float:
    """Additions that the events cause over the multiplications of dense layers at every step."""
    done = [(a, b) for path, a, b in zip(*(plan.column(c) for c in ("path", "additions", "dense"))) if path == "events"]
    total = sum(float(b or 0) for _, b in done)
    return sum(float(a or 0) for a, _ in done) / total if total else 0.0


OWN = tuple(WEIGHTS)
OTHERS = ("torch", "SpikingJelly", "source", "source, ONNX Runtime")


def table(result: dict[str, Any], threads: int) -> Table:
    """One row per case, batch and kind of weights."""
    rows, runs = [], [run for run in result["runs"] if run["threads"] == threads]
    for key in dict.fromkeys((run["network"], run["recipe"], run["timesteps"], run["batch"]) for run in runs):
        own = [r for r in runs if (r["network"], r["recipe"], r["timesteps"], r["batch"]) == key]
        times = {way: [run["seconds"] / key[3] for run in own if run["way"] == way] for way in (*OWN, *OTHERS)}
        for way in OWN:
            ratios = [
                median(a / b for a, b in zip(times[other], times[way])) if times[other] else None for other in OTHERS
            ]
            about = own[0]
            accuracies = about["accuracy"][way], about["source_accuracy"]
            rows.append((*key, way, *accuracies, about["density"], median(times[way]), *ratios))
    columns = (
        Column("network"),
        Column("recipe"),
        Column("T", "steps"),
        Column("batch"),
        Column("way"),
        Column("accuracy", "%", 1),
        Column("source", "%", 1, "accuracy of the network that was converted, on the same images"),
        Column("density", "%", 1, "additions over multiplications of dense layers at every step, where events are run"),
        Column("time", "s", None, "per image, median of the rounds"),
        Column("torch", "×", 2, "time of the same spiking network in torch's operations over that on events"),
        Column("SpikingJelly", "×", 2, "its conversion with spikes of one size, as many steps; its accuracy is below"),
        Column("ANN", "×", 2, "time of the network that was converted in torch over that on events"),
        Column("ANN, ONNX Runtime", "×", 2, "the same in ONNX Runtime; above 1 the spiking network answers sooner"),
    )
    return Table(f"Networks on events, threads: {threads}", columns, tuple(rows))


def threads_of(result: dict[str, Any]) -> list[int]:
    """The numbers of threads that were measured."""
    return list(dict.fromkeys(run["threads"] for run in result["runs"]))


def peers_accuracy(result: dict[str, Any]) -> str:
    """One sentence: what SpikingJelly's conversions reach."""
    found = {
        (run["network"], run["timesteps"]): run["accuracy"]["SpikingJelly"]
        for run in result["runs"]
        if "SpikingJelly" in run["accuracy"]
    }
    return "; ".join(f"{network}, T = {t}: {accuracy:.1f} %" for (network, t), accuracy in found.items())


def of_file(result: dict[str, Any], file: str) -> dict[str, Any]:
    """The result under the name of the network in a file, with what the file says of its training."""
    described = load_network(file).description
    name = described["about"]["run"]
    runs = [run | {"network": name} for run in result["runs"]]
    return result | {"case": f"{CASE}-file", "runs": runs, "trained": described}


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], help="images at a time")
    parser.add_argument("--images", type=int, default=400, help="test images judged")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--network", help="only the cases of this network")
    parser.add_argument("--file", help="a network trained by `spikewright train` instead, stored as a case of its own")
    parser.add_argument("--recipe", help="only the cases of this recipe")
    parser.add_argument("--quick", action="store_true", help="one round, 50 images; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    cases = tuple(
        case for case in CASES if options.network in (None, case.network) and options.recipe in (None, case.recipe)
    )
    if options.file:
        cases = tuple(Case(options.file, *each) for each in OF_A_FILE)
    images, rounds = (50, 1) if options.quick else (options.images, options.rounds)
    result = compare(cases, tuple(options.batches), images, rounds, tuple(options.threads))
    result["load_before_and_after"] = [before, os.getloadavg()]
    for threads in options.threads:
        print(table(result, threads).to_markdown())
    if options.quick:
        return 0
    if options.file:
        result = of_file(result, options.file)
    store(result, options.results / result["case"])
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

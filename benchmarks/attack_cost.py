"""What an attack costs: PGD beside the passes it is made of, and gradients with and without a time axis.

python benchmarks/attack_cost.py [--timesteps 4 8 16] [--rounds 3]

Every measurement is a process of its own, the ways in turn; the perturbations are too small to break a sample, because
samples that are broken are left out of later passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from process import peak_memory
from run import HERE, say, store
from torch import nn
from training_step import SHAPE, layers

from spikewright.attack import HART, PGD, Classifier, Linf, SurrogateBPTT, WithoutTime, perturb
from spikewright.core import Spiking, Triangle, fused, to_zero
from spikewright.core.seed import generator
from spikewright.neurons import LIF
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table

CASE = "attack-cost"
IMAGES, STEPS, REPEATS = 4, 10, 3
TINY = Linf(eps=1e-9)
RULES = {"bptt": SurrogateBPTT(surrogate=Triangle()), "hart": HART(), "without time": WithoutTime(rule=HART())}
WAYS = ("passes", "pgd", *RULES)


def network() -> Spiking:
    """Six convolutions with batch norm and leaky neurons, three average pools, fresh weights that keep all alive."""
    torch.manual_seed(0)
    model = Spiking(layers(lambda: LIF(spike=Triangle(), reset=to_zero), lambda part: part)).eval()
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.mul_(3)
            if isinstance(part, LIF):
                part.unroll = fused
    return model


def measure(way: str, timesteps: int) -> dict[str, Any]:
    """Median processor time of one way, and the most memory that it took beyond the network and its input."""
    torch.set_num_threads(1)
    view = Classifier(network(), timesteps)
    x = torch.rand(IMAGES, *SHAPE, generator=generator(0))
    with torch.no_grad():
        y = view(x).argmax(1)
    run = job(way, view, x, y)
    ready = peak_memory()
    run()  # compiles
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return {"way": way, "timesteps": timesteps, "seconds": median(seconds), "memory": peak_memory() - ready}


def job(way: str, view: Classifier, x: torch.Tensor, y: torch.Tensor) -> Callable[[], object]:
    """What is timed."""
    if way == "pgd":
        return lambda: perturb(view, PGD(steps=STEPS), TINY, x, y, generator=generator(0))
    if way == "passes":
        return lambda: [gradient(view, x, y) for _ in range(STEPS)]
    seen = view.seen_by(RULES[way])
    return lambda: gradient(seen, x, y)


def gradient(view: Classifier, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One forward and backward pass, of the input alone."""
    at = x.clone().requires_grad_()
    return torch.autograd.grad(nn.functional.cross_entropy(view(at), y, reduction="sum"), at)[0]


def apart(way: str, timesteps: int) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--way", way, "--timesteps", str(timesteps)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return json.loads(done.stdout.splitlines()[-1])


def table(result: dict[str, Any]) -> Table:
    """One row per T."""
    columns = (
        Column("T"),
        Column("forward and backward", "s", note=f"Once, {IMAGES} images, gradient of the input alone."),
        Column(f"PGD-{STEPS} / {STEPS} passes", "", 2),
        Column("BPTT", "s"),
        Column("HART", "s"),
        Column("without time", "s", note="HART's gradient by WithoutTime: one backward pass without a time axis."),
        Column("BPTT / without time", "", 2),
        Column("memory BPTT", "B", note="Most memory beyond network and images."),
        Column("memory HART", "B"),
        Column("memory without time", "B"),
    )
    rows = []
    for timesteps in sorted({row["timesteps"] for row in result["rows"]}):
        found = {way: [r for r in result["rows"] if (r["way"], r["timesteps"]) == (way, timesteps)] for way in WAYS}
        took = {way: median(row["seconds"] for row in rows) for way, rows in found.items()}
        held = {way: median(row["memory"] for row in rows) for way, rows in found.items()}
        rows.append((
            timesteps, took["passes"] / STEPS, took["pgd"] / took["passes"], *(took[rule] for rule in RULES),
            took["bptt"] / took["without time"], *(held[rule] for rule in RULES),
        ))  # fmt: skip
    return Table("What an attack costs", columns, tuple(rows))


def main() -> int:
    """Measure as the command line asks, store the result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timesteps", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure this one here, and print it")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.timesteps[0])))
        return 0
    before, rows = os.getloadavg(), []
    for _ in range(options.rounds):
        for timesteps in options.timesteps:
            rows += [apart(way, timesteps) for way in WAYS]
            say(f"T = {timesteps}: " + ", ".join(f"{r['way']} {1e3 * r['seconds']:.0f} ms" for r in rows[-len(WAYS) :]))
    result = {
        "case": CASE,
        "what": f"PGD-{STEPS} and single gradients of {IMAGES} images of 32 x 32, processor time of one thread",
        "environment": environment(("torch", "numpy", "spikewright"), source=Path(__file__)),
        "device": {"kind": "cpu", "threads": 1},
        "load_before_and_after": [before, os.getloadavg()],
        "rows": rows,
    }
    store(result, options.results / CASE)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())

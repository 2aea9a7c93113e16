"""Answers as soon as they are decided: steps, agreement, accuracy and time beside those of all T steps; one thread.

SPIKEWRIGHT_DATA=... python benchmarks/event_exit.py
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store

from spikewright.coding import repeat
from spikewright.convert import OPI, QCFS, ErrorOptimal, Recipe, convert, fit_starts, per_channel
from spikewright.data import load_dataset
from spikewright.data.batches import Batches
from spikewright.experiments.network import load_network
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.runtime import EarlyExit, compile
from spikewright.runtime.exit_rule import fitted_rule, measured_leads

CASE = "event-exit"
OPTIMAL = ErrorOptimal(timesteps=8, groups=per_channel)
RECIPES: dict[str, Recipe] = {"QCFS": QCFS(), "OPI": OPI(threshold=OPTIMAL)}
"""OPI with fitted start potentials."""


@dataclass(frozen=True)
class Case:
    """A network, how it is converted, T, and how many images calibrate and are judged."""

    network: str
    recipe: str
    timesteps: int
    calibration: int
    images: int


CASES = (
    Case("cifar10_resnet20_qcfs_l4_fine_tune", "QCFS", 32, 3000, 300),
    Case("cifar10_resnet20_qcfs_l4_fine_tune", "QCFS", 8, 3000, 300),
    Case("cifar10_vgg16_bn", "OPI", 16, 900, 120),
)
ERRORS, CONFIDENCE = (0.01, 0.05), 0.95
WAYS = ((50, 4), (1, 8))
"""Images at a time, steps of a chunk."""


def compare(cases: tuple[Case, ...], share: float) -> dict[str, Any]:
    """Calibrate and judge every case on shares of its images; return the result as stored."""
    torch.set_num_threads(1)
    return {
        "case": CASE,
        "what": "Early exit on events, CIFAR-10 test images, judged on other images than those that calibrate",
        "seed": 0,
        "load_before_and_after": [],
        "environment": environment(("torch", "numpy", "numba", "spikewright"), source=Path(__file__)),
        "runs": [run for case in cases for run in _judged(case, share)],
    }


def _judged(case: Case, share: float) -> list[dict[str, Any]]:
    say(f"{case.network}, {case.recipe}, T = {case.timesteps}")
    calibrating, judging = int(case.calibration * share), int(case.images * share)
    test = load_dataset("cifar10", None, "test")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    held_out, _ = test.gather(order[:calibrating])
    images, labels = test.gather(order[calibrating : calibrating + judging])
    recipe = RECIPES[case.recipe]
    train = Batches(load_dataset("cifar10", None, "train").subset(500), 100)
    conversion = convert(load_network(case.network).model.eval(), recipe, train if recipe.statistics() else None)
    model = (fit_starts(conversion, train) if recipe.statistics() else conversion).model.eval()
    network = compile(model, repeat(images[:8], model.phases.steps(case.timesteps)))
    runs = []
    begin = time.perf_counter()
    measured = measured_leads(network, held_out, case.timesteps)
    spent = time.perf_counter() - begin
    for error in ERRORS:
        rule = fitted_rule(*measured, error, CONFIDENCE)
        for batch, chunk in WAYS:
            say(f"error {error:g}, {batch} at a time, chunks of {chunk}")
            judged = EarlyExit(network, rule, chunk=chunk).judge(zip(images.split(batch), labels.split(batch)))
            about = {**asdict(case), "calibration": calibrating, "error": error, "bound": rule.bound}
            runs.append(
                {
                    **about,
                    "margins": rule.margins,
                    "fit_seconds": spent,
                    "batch": batch,
                    "chunk": chunk,
                    **asdict(judged),
                }
            )
    for run in runs:
        run["margins"] = [None if margin == float("inf") else margin for margin in run["margins"]]
    return runs


def table(result: dict[str, Any]) -> Table:
    """One row per case, error and way."""
    names = (
        "network",
        "recipe",
        "timesteps",
        "error",
        "bound",
        "batch",
        "chunk",
        "steps",
        "run",
        "agreement",
        "accuracy",
    )
    rows = [
        (
            *(run[name] for name in (*names, "full_accuracy", "seconds", "full_seconds")),
            run["full_seconds"] / run["seconds"],
        )
        for run in result["runs"]
    ]
    columns = (
        *(Column("network"), Column("recipe"), Column("T", "steps")),
        Column(
            "stated error", "%", 0, "share of answers that may differ from those after T steps, with confidence 95 %"
        ),
        Column("bound", "%", 2, "what the calibration images show of the rule that was taken"),
        *(Column("batch"), Column("chunk")),
        Column("steps", "", 2, "mean until the answer"),
        Column("run", "", 2, "mean, whole chunks"),
        Column("agreement", "%", 1),
        *(Column("accuracy", "%", 1), Column("accuracy after T", "%", 1)),
        *(Column("time", "s", None, "per image"), Column("time of T steps", "s", None)),
        Column("faster", "×", 2),
    )
    return Table("Early exit", columns, tuple(rows))


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", help="only the cases of this network")
    parser.add_argument("--share", type=float, default=1.0, help="share of the images, for a busy machine")
    parser.add_argument("--quick", action="store_true", help="a tenth of the images; nothing is stored")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    before = os.getloadavg()
    cases = tuple(case for case in CASES if options.network in (None, case.network))
    result = compare(cases, 0.1 if options.quick else options.share)
    result["load_before_and_after"] = [before, os.getloadavg()]
    print(table(result).to_markdown())
    if options.quick:
        return 0
    store(result, options.results / CASE)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

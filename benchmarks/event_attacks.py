"""Attacks that change events, on networks trained on real recordings: success at a number of changed events.

SPIKEWRIGHT_DATA=... python benchmarks/event_attacks.py

Two networks of LIF neurons are trained for seconds, on Braille touch recordings as binary frames and on a sample of
N-MNIST as counts. Each is attacked by GreedyEvents with flips or counts, and with shifts in time alone, through several
gradients; random changes of the same size stand beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from direct_training import BRAILLE, NMNIST, Part, direct, event_data
from run import HERE, say, store
from torch import Tensor

from spikewright.attack import (
    HART,
    RGA,
    Classifier,
    EventBudget,
    EventCounts,
    GradientRule,
    GreedyEvents,
    Mixed,
    RandomNoise,
    SpikeFlips,
    SpikeShifts,
    SurrogateBPTT,
    run_attack,
)  # fmt: skip
from spikewright.coding import as_given
from spikewright.core import ATan
from spikewright.data.events import FixedBins, TimeBins
from spikewright.data.events.frames import binary
from spikewright.report.environment import environment
from spikewright.report.table import Column, Table

CASE = "event-attacks"
DRAWS = 5
"""Random perturbations per sample and size; a sample counts as broken if one of them breaks it."""

CHANGED = "Share of the samples classified right that are broken by so many events, likewise behind it."

RULES: dict[str, GradientRule | None] = {
    "as trained": None,
    "BPTT, arctangent": SurrogateBPTT(surrogate=ATan(alpha=2.0)),
    "HART, merged over time": HART(gamma=1.0),
    "RGA": RGA(),
    "mean of BPTT and HART": Mixed(rules=(SurrogateBPTT(surrogate=ATan(alpha=2.0)), HART(gamma=1.0))),
}


@dataclass(frozen=True)
class Case:
    """One network under attack.

    Args:
        part: how it is trained.
        frames: in words.
        budgets: what may be changed, the largest size of each.
        sizes: numbers of changed events at which success is told.
        samples: how many test recordings are attacked.
    """

    part: Part
    frames: str
    budgets: dict[str, EventBudget]
    sizes: tuple[int, ...]
    samples: int


CASES = (
    Case(
        replace(BRAILLE, data=partial(event_data, "braille", FixedBins(64, 20_000, pixel=binary), 49, 140)),
        "Braille touch recordings, binary frames of 64 steps of 20 ms and 12 sensors",
        {"flips": SpikeFlips(eps=16), "shifts by 1 step": SpikeShifts(eps=16, reach=1),
         "shifts by up to 3 steps": SpikeShifts(eps=16, reach=3)},
        (1, 2, 4, 8, 16),
        40,
    ),
    Case(
        replace(NMNIST, data=partial(event_data, "nmnist", TimeBins(8), 20, 100)),
        "N-MNIST, counts in 8 steps of 2 x 34 x 34 pixels",
        {"counts": EventCounts(eps=512), "shifts by up to 3 steps": SpikeShifts(eps=512, reach=3, high=float("inf"))},
        (32, 64, 128, 256, 512),
        10,
    ),
)  # fmt: skip
SEARCH = GreedyEvents(rounds=6, candidates=5, patience=2, back=20)


def measure(case: Case, only: list[str] | None = None) -> dict[str, Any]:
    """Train one network, and attack it with every budget and rule."""
    began = time.process_time()
    torch.manual_seed(0)
    model, _ = direct(case.part, case.part.choices["LIF"], 0)
    seconds = time.process_time() - began
    ((xs, y),) = case.part.data(0)[1]
    xs, y = xs.to(torch.get_default_dtype())[:, : case.samples], y[: case.samples]
    view = Classifier(model.eval(), case.part.timesteps, encode=as_given)
    say(f"{case.part.name}: trained in {seconds:.0f} s")
    rows = [
        attacked(case, view, name, budget, rule, xs, y)
        for name, budget in case.budgets.items()
        for rule in only or RULES
    ]
    return {
        "name": case.part.name,
        "frames": case.frames,
        "samples": len(y),
        "sizes": case.sizes,
        "events": float(xs.sum((0, *range(2, xs.dim()))).mean()),
        "train_cpu_seconds": seconds,
        "rows": rows,
        "noise": [noise(case, view, name, budget, xs, y) for name, budget in case.budgets.items()],
    }


def attacked(
    case: Case, view: Classifier, name: str, budget: EventBudget, rule: str, xs: Tensor, y: Tensor
) -> dict[str, Any]:
    """One row: the nearest success of each sample gives the success at every smaller size as well."""
    result = run_attack(view.seen_by(RULES[rule]), SEARCH, budget, [(xs, y)])
    broken = result.clean & ~result.robust
    changed = result.distances[broken].tolist()
    right = max(1, int(result.clean.sum()))
    say(f"{case.part.name}, {name}, {rule}: {result.success_rate:.2f} in {result.seconds:.0f} s")
    return {
        "budget": name,
        "rule": rule,
        "clean_accuracy": result.clean_accuracy,
        "robust_accuracy": result.robust_accuracy,
        "success": {size: sum(d <= size for d in changed) / right for size in case.sizes},
        "median_changed": median(changed) if changed else None,
        "forwards": result.forwards,
        "backwards": result.backwards,
        "seconds": result.seconds,
    }


def noise(case: Case, view: Classifier, name: str, budget: EventBudget, xs: Tensor, y: Tensor) -> dict[str, Any]:
    """Success of random changes of every size, each the best of DRAWS."""
    search = RandomNoise(draws=DRAWS)
    found = {size: run_attack(view, search, replace(budget, eps=size), [(xs, y)]).success_rate for size in case.sizes}
    return {"budget": name, "draws": DRAWS, "success": found}


def table(result: dict[str, Any], part: dict[str, Any]) -> Table:
    """One row per budget and gradient, and one for random changes."""
    sizes = part["sizes"]
    rows: list[tuple[Any, ...]] = []
    for noisy in part["noise"]:
        own = [row for row in part["rows"] if row["budget"] == noisy["budget"]]
        for row in own:
            success = [_at(row["success"], size) for size in sizes]
            rows.append(
                (row["budget"], row["rule"], *success, row["median_changed"], row["forwards"], row["backwards"])
            )
        rows.append(
            (
                noisy["budget"],
                f"at random, best of {noisy['draws']}",
                *(_at(noisy["success"], s) for s in sizes),
                None,
                None,
                None,
            )
        )
    columns = (
        Column("may change"),
        Column("gradient"),
        *(Column(f"at most {size}", "%", 0, CHANGED if size == sizes[0] else "") for size in sizes),
        Column("median changed", "", 1, "Events changed in the nearest successes."),
        Column("passes", "", 0, "Passes of the batch, or of what still stood of it."),
        Column("gradients", "", 0),
    )
    first = part["rows"][0]
    caption = (
        f"{part['frames']}, {part['events']:.0f} events on average; the first {part['samples']} test recordings, of "
        f"which {100 * first['clean_accuracy']:.0f} % are classified right."
    )
    return Table(part["name"], columns, tuple(rows), caption)


def _at(success: dict[Any, float], size: int) -> float:
    return success[size] if size in success else success[str(size)]  # JSON has no keys but text


def tables(result: dict[str, Any]) -> list[Table]:
    """The table of every network."""
    return [table(result, part) for part in result["parts"]]


def words(result: dict[str, Any]) -> str:
    """What the rows are, and what they say."""
    said = []
    for part in result["parts"]:
        for noisy in part["noise"]:
            own = [row for row in part["rows"] if row["budget"] == noisy["budget"]]
            best, worst = (pick(own, key=lambda row: row["robust_accuracy"]) for pick in (min, max))
            most = max(part["sizes"])
            said.append(
                f"{part['name']}, {noisy['budget']}: {most} events break {100 * _at(best['success'], most):.0f} % with "
                f"the best gradient ({best['rule']}), {100 * _at(worst['success'], most):.0f} % with the worst "
                f"({worst['rule']}), and {100 * _at(noisy['success'], most):.0f} % at random"
            )
    return (
        "**Small**: networks trained for seconds, few recordings, one seed: the rows can be compared with each other, "
        "not with published figures. One run with the largest budget per row; a success that changes fewer events "
        "counts at every size from there on. An event added, removed or moved is one event. "
        f"{'; '.join(said)}."
    )


def main() -> int:
    """Run the benchmark, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=[case.part.name for case in CASES])
    parser.add_argument("--rules", nargs="+", choices=list(RULES))
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made_of = environment(("torch", "numpy", "spikewright"), source=Path(__file__))
    before, began = os.getloadavg(), time.process_time()
    cases = [case for case in CASES if case.part.name in (options.parts or [case.part.name])]
    parts = [measure(case, options.rules) for case in cases]
    result = {
        "case": CASE,
        "what": "Attacks that change events",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load_before_and_after": [before, os.getloadavg()],
        "cpu_seconds": time.process_time() - began,
        "seed": 0,
        "search": str(SEARCH),
        "parts": parts,
    }
    say(f"{result['cpu_seconds']:.0f} s of processor time")
    store(result, options.results / CASE)
    import tables as pages

    return pages.main([])


if __name__ == "__main__":
    sys.exit(main())

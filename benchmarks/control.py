"""Spiking actors on MuJoCo tasks, with a proxy target and without, beside an ordinary actor: returns over the steps.

python benchmarks/control.py --tasks InvertedDoublePendulum-v4 --methods ANN LIF PT-LIF --seeds 0 1 2 --steps 60000

The seeds of a method are trained side by side. Every training goes on from its checkpoint and is kept in
results/control/rows.jsonl when it ends; a later run trains only what is missing there. `--add` takes rows of others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from run import HERE, say, store

from spikewright.report.environment import environment
from spikewright.report.plots import return_curve
from spikewright.report.table import Column, Table
from spikewright.rl import (
    NEURONS,
    TD3,
    LoopConfig,
    OrdinaryActor,
    ProxyTarget,
    SpikingActor,
    Target,
    interquartile_mean,
    train_together,
)

CASE = "control"
PEER = "Stable-Baselines3, ANN"
LONGER = ", longer"
"""Behind a method: seeds that were trained on a CPU for more steps than the others."""
FIGURES = HERE.parent / "docs/figures"
PROXY = {"LIF": ProxyTarget(), "CLIF": ProxyTarget(lr=3e-3, hidden=(800, 600)), "DN": ProxyTarget(lr=3e-3)}
"""Published settings of the proxy for each neuron."""
CHEAP = ProxyTarget(updates=1, lr=3e-3)
"""One update in place of three, with a larger step: recommended by the authors where time is short."""


def method_of(name: str) -> tuple[Any, TD3]:
    """The actor and the algorithm behind a name: ANN, LIF, PT-LIF, PT-LIF K=1, the same with CLIF and DN.

    Raises:
        KeyError: for another name.
    """
    if name == "ANN":
        return OrdinaryActor, TD3()
    neuron = name.removeprefix("PT-").removesuffix(" K=1")
    actor = partial(SpikingActor, neuron=NEURONS[neuron])
    targets: dict[str, Target] = {f"PT-{neuron}": PROXY[neuron], f"PT-{neuron} K=1": CHEAP}
    return actor, TD3(target=targets[name]) if name in targets else TD3()


Row = dict[str, Any]


def kept_rows(path: Path) -> list[Row]:
    """The trainings that earlier runs have made."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def key(row: Row) -> tuple[str, str, int, int]:
    """What makes two trainings the same."""
    return row["task"], row["method"], row["seed"], row["random_steps"]


def longest(rows: list[Row]) -> list[Row]:
    """Of every training the row with most steps."""
    found: dict[tuple[str, str, int, int], Row] = {}
    for row in sorted(rows, key=lambda row: row["step"]):
        found[key(row)] = row
    return list(found.values())


def measure(task: str, name: str, configs: list[LoopConfig], options: argparse.Namespace, minutes: float) -> list[Row]:
    """Several seeds side by side, to their end or as far as the time goes."""
    actor, algorithm = method_of(name)

    def log(**numbers: float) -> None:
        say(f"{task}, {name}: " + ", ".join(f"{key} {value:.5g}" for key, value in numbers.items()))

    folders = [options.runs / f"{task}-{name.replace(' ', '-')}-{config.seed}" for config in configs]
    done = train_together(
        task, actor, algorithm, configs, folders=folders, log=log, minutes=minutes, device=options.device
    )
    return [
        {
            "task": task, "method": name, "seed": one.config.seed, "step": one.step, "steps": one.config.steps,
            "random_steps": one.config.random_steps, "together": len(done), "seconds": one.seconds,
            "judged": [{"step": judged.step, "returns": judged.returns} for judged in one.judgements],
            "breakdowns": one.breakdowns, "device": options.device,
        }
        for one in done
    ]  # fmt: skip


def settled(rows: list[Row]) -> list[Row]:
    """Rows in the order of the page."""
    short = [PEER, "ANN", "LIF", "PT-LIF K=1", "PT-LIF"]
    names = [*short, *(name + LONGER for name in short)]
    return sorted(rows, key=lambda row: (row["task"], names.index(row["method"]), row["seed"]))


def curves(result: dict[str, Any], task: str) -> Table:
    """One row per method and judgement: interquartile mean over the seeds, its interval, and every seed."""
    own = [row for row in settled(result["rows"]) if row["task"] == task]
    seeds = sorted({row["seed"] for row in own})
    rows: list[tuple[Any, ...]] = []
    for name in dict.fromkeys(row["method"] for row in own):
        found = {row["seed"]: {one["step"]: mean(one["returns"]) for one in row["judged"]}
                 for row in own if row["method"] == name}  # fmt: skip
        for step in sorted({step for curve in found.values() for step in curve}):
            each = [found.get(seed, {}).get(step) for seed in seeds]
            known = [value for value in each if value is not None]
            rows.append((task, name, step, *interquartile_mean([known]), *each))
    columns = (
        *(Column("task"), Column("method"), Column("step", "", 0), Column("IQM", "", 0)),
        *(Column("low", "", 0), Column("high", "", 0)),
        *(Column(f"seed {seed}", "", 0) for seed in seeds),
    )
    return Table(f"Returns of {task}", columns, tuple(rows))


def table(result: dict[str, Any], task: str) -> Table:
    """One row per method: returns of every seed at its end, and the largest."""
    own = [row for row in settled(result["rows"]) if row["task"] == task]
    rows: list[tuple[Any, ...]] = []
    for name in dict.fromkeys(row["method"] for row in own):
        group = [row for row in own if row["method"] == name]
        ends = [mean(row["judged"][-1]["returns"]) for row in group]
        best = [max(mean(one["returns"]) for one in row["judged"]) for row in group]
        steps = sorted({row["judged"][-1]["step"] for row in group})
        speed = [row["step"] / row["seconds"] for row in group]
        rows.append(
            (
                name, len(group), ", ".join(f"{step:,}" for step in steps), ", ".join(f"{end:,.0f}" for end in ends),
                *interquartile_mean([ends]), ", ".join(f"{value:,.0f}" for value in best),
                ", ".join(dict.fromkeys(f"{row['device']}, {row['together']} together" for row in group)),
                mean(speed),
            )
        )  # fmt: skip
    columns = (
        *(Column("method"), Column("seeds"), Column("steps", "", note="of the last judgement")),
        *(Column("return at the end", "", note="of every seed, mean of 10 episodes"), Column("IQM", "", 0)),
        *(
            Column("low", "", 0, "of its 95 % interval by bootstrap; of two seeds: their range"),
            Column("high", "", 0),
        ),
        *(Column("best", "", note="of every seed"), Column("device"), Column("steps/s", "", 0, "of one training")),
    )
    return Table(task, columns, tuple(rows))


def tasks_of(result: dict[str, Any]) -> list[str]:
    """The tasks that were trained on."""
    return sorted({row["task"] for row in result["rows"]})


def draw(result: dict[str, Any], folder: Path) -> None:
    """A figure for every task."""
    for task in tasks_of(result):
        figure = return_curve.draw(curves(result, task))
        figure.savefig(folder / f"control-{task.lower()}.png")


def main() -> int:
    """Train what is missing and store the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="*", default=["InvertedDoublePendulum-v4"])
    parser.add_argument("--methods", nargs="+", default=["ANN", "LIF", "PT-LIF K=1"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--random_steps", type=int, default=25_000)
    parser.add_argument("--evaluate_every", type=int, default=5_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop past this time, to go on later")
    parser.add_argument("--add", type=Path, nargs="*", default=[], help="rows.jsonl of other machines, to store too")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--runs", type=Path, default=Path("runs/control"), help="folder of the checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made_of = environment(("torch", "numpy", "gymnasium", "mujoco", "spikewright"), source=Path(__file__))
    if options.device != "cpu":
        made_of["gpu"] = torch.cuda.get_device_name()
    partly, began = options.results / CASE / "rows.jsonl", time.monotonic()
    partly.parent.mkdir(parents=True, exist_ok=True)
    for task in options.tasks:
        for name in options.methods:
            base = LoopConfig(
                steps=options.steps, random_steps=options.random_steps, evaluate_every=options.evaluate_every
            )
            done = {key(row) for row in kept_rows(partly) if row["step"] >= options.steps}
            configs = [replace(base, seed=seed) for seed in options.seeds
                       if (task, name, seed, options.random_steps) not in done]  # fmt: skip
            left = options.minutes - (time.monotonic() - began) / 60
            if not configs or left <= 0:
                continue
            rows = measure(task, name, configs, options, left)
            with partly.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row | {"environment": made_of}) + "\n" for row in rows)
    rows = longest([row for path in (partly, *options.add) for row in kept_rows(path)])
    partly.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = {
        "case": CASE,
        "what": "Actors on MuJoCo tasks",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load": os.getloadavg(),
        "rows": rows,
    }
    store(result, options.results / CASE)
    if options.results != HERE / "results":
        return 0
    draw(result, FIGURES)
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

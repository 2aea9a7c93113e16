"""Spiking actors on MuJoCo tasks, with a proxy target and without, beside an ordinary actor: returns over the steps.

python benchmarks/control.py --tasks InvertedDoublePendulum-v4 --methods ANN LIF PT-LIF --seeds 0 1 2 --steps 60000

Every training (task, method, seed) goes on from its checkpoint and is kept in results/control/rows.jsonl when it ends;
a later run trains only what is missing there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from run import HERE, say, store

from spikewright.report.environment import environment
from spikewright.rl import NEURONS, TD3, LoopConfig, OrdinaryActor, ProxyTarget, SpikingActor, Target, train

CASE = "control"
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


def kept_rows(path: Path) -> list[dict[str, Any]]:
    """The trainings that earlier runs have finished."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def measure(task: str, name: str, config: LoopConfig, folder: Path, minutes: float) -> dict[str, Any] | None:
    """One training to its end; None if the time was over before."""
    actor, algorithm = method_of(name)

    def log(**numbers: float) -> None:
        say(f"{task}, {name}, seed {config.seed}: " + ", ".join(f"{key} {value:.5g}" for key, value in numbers.items()))

    done = train(task, actor, algorithm, config, folder=folder, log=log, minutes=minutes)
    if done.step < config.steps:
        return None
    return {
        "task": task, "method": name, "seed": config.seed, "steps": config.steps, "random_steps": config.random_steps,
        "judged": [{"step": judged.step, "returns": judged.returns} for judged in done.judgements],
        "breakdowns": done.breakdowns, "seconds": done.seconds, "device": "cpu",
    }  # fmt: skip


def main() -> int:
    """Train what is missing and store the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=["InvertedDoublePendulum-v4"])
    parser.add_argument("--methods", nargs="+", default=["ANN", "LIF", "PT-LIF K=1"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--random_steps", type=int, default=25_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop past this time, to go on later")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--runs", type=Path, default=Path("runs/control"), help="folder of the checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made_of = environment(("torch", "numpy", "gymnasium", "mujoco", "spikewright"), source=Path(__file__))
    partly, began = options.results / CASE / "rows.jsonl", time.monotonic()
    for seed in options.seeds:
        for task in options.tasks:
            for name in options.methods:
                done = {(row["task"], row["method"], row["seed"], row["steps"]) for row in kept_rows(partly)}
                left = options.minutes - (time.monotonic() - began) / 60
                if (task, name, seed, options.steps) in done or left <= 0:
                    continue
                config = LoopConfig(steps=options.steps, random_steps=options.random_steps, seed=seed)
                folder = options.runs / f"{task}-{name.replace(' ', '-')}-{seed}"
                row = measure(task, name, config, folder, left)
                if row is not None:
                    partly.parent.mkdir(parents=True, exist_ok=True)
                    with partly.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row | {"environment": made_of}) + "\n")
    result = {
        "case": CASE,
        "what": "Actors on MuJoCo tasks",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load": os.getloadavg(),
        "rows": kept_rows(partly),
    }
    store(result, options.results / CASE)
    return 0


if __name__ == "__main__":
    sys.exit(main())

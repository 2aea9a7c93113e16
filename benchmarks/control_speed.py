"""Environment steps per second while an actor learns: this project's actors and the TD3 of Stable-Baselines3, in turn.

python benchmarks/control_speed.py

Needs `pip install stable-baselines3` (2.9.2 was measured). The sides take turns, one thread, and the ratio is taken
pair by pair; judging is left out on all sides.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from control import PEER, method_of
from control_peer import peer
from run import HERE, say, store

from spikewright.report.environment import environment
from spikewright.report.table import Column, Table
from spikewright.rl import LoopConfig
from spikewright.rl.drive import _Step
from spikewright.rl.training import Training

CASE = "control-speed"
OURS = ("ANN", "LIF", "PT-LIF K=1", "PT-LIF")
RANDOM = 1_000
"""Random steps before anything is timed: a buffer to draw from."""


class Ours:
    """A training of this project that is gone on with in pieces."""

    def __init__(self, task: str, name: str) -> None:
        torch.manual_seed(0)
        actor, algorithm = method_of(name)
        self.training = Training(task, actor, algorithm, LoopConfig(steps=10**6, random_steps=RANDOM, capacity=10**5))
        self.step = _Step([self.training])

    def go(self, steps: int) -> None:
        """So many steps, with an update at each once the random ones are over."""
        for _ in range(steps):
            self.step([0])


class Theirs:
    """The same of Stable-Baselines3, with the same sizes and settings."""

    def __init__(self, task: str) -> None:
        self.model = peer(task, random_steps=RANDOM, capacity=10**5, seed=0)
        self.first = True

    def go(self, steps: int) -> None:
        """So many steps, with an update at each once the random ones are over."""
        self.model.learn(steps, reset_num_timesteps=self.first)
        self.first = False


def compare(task: str, steps: int, rounds: int) -> list[dict[str, Any]]:
    """All sides in turn; the first round is not counted."""
    sides: dict[str, Any] = {name: Ours(task, name) for name in OURS} | {PEER: Theirs(task)}
    for side in sides.values():
        side.go(RANDOM)
    runs = []
    for number in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            side.go(steps)
            spent = time.perf_counter() - began
            say(f"{name}: {steps / spent:.0f} steps/s")
            runs += [{"side": name, "seconds": spent}] if number else []
    return runs


def table(result: dict[str, Any]) -> Table:
    """One row per side."""
    times = {name: [run["seconds"] for run in result["runs"] if run["side"] == name] for name in (*OURS, PEER)}
    rows = []
    for name, own in times.items():
        ratios = [median(a / b for a, b in zip(times[other], own)) for other in (PEER, "ANN")]
        rows.append((name, median(result["steps"] / seconds for seconds in own), *ratios))
    columns = (
        Column("side"),
        Column("steps/s", "", 0, "environment steps with an update each, median of the rounds"),
        Column("Stable-Baselines3", "×", 2, "its time over this one"),
        Column("ANN", "×", 2, "time of this project's ordinary actor over this one"),
    )
    caption = f"{result['task']}, networks of 256 x 256, batch 256, T = 5; {result['rounds']} rounds."
    return Table("Steps per second", columns, tuple(rows), caption)


def main() -> int:
    """Run the benchmark as the command line asks, store its result and bring the pages up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="HalfCheetah-v4")
    parser.add_argument("--steps", type=int, default=300, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = os.getloadavg()
    packages = ("torch", "numpy", "gymnasium", "mujoco", "stable-baselines3", "spikewright")
    result = {
        "case": CASE,
        "what": "Environment steps per second of a training",
        "environment": environment(packages, source=Path(__file__)),
        "device": {"kind": "cpu", "threads": 1},
        "task": options.task,
        "steps": options.steps,
        "rounds": options.rounds,
        "runs": compare(options.task, options.steps, options.rounds),
        "load_before_and_after": [before, os.getloadavg()],
    }
    print(table(result).to_markdown())
    store(result, options.results / CASE)
    if options.results != HERE / "results":
        return 0
    import tables

    return tables.main([])


if __name__ == "__main__":
    sys.exit(main())

"""The TD3 of Stable-Baselines3 as a peer: with this project's sizes, and trained and judged as `control.py` does it.

python benchmarks/control_peer.py --tasks InvertedDoublePendulum-v4 --seeds 0 1 2 --steps 60000

Needs `pip install stable-baselines3` (2.9.2 was measured). Writes rows that `control.py --add` takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from control import PEER
from run import say
from torch import Tensor, nn

from spikewright.report.environment import environment
from spikewright.rl.env import make
from spikewright.rl.evaluate import Arena
from spikewright.rl.training import EVALUATION_SEED


def peer(task: str, *, random_steps: int, capacity: int, seed: int) -> Any:
    """TD3 of Stable-Baselines3 with networks of 256 x 256 and the settings of `spikewright.rl.TD3()`."""
    import numpy as np
    from stable_baselines3 import TD3
    from stable_baselines3.common.noise import NormalActionNoise

    env = make(task)
    noise = NormalActionNoise(np.zeros(env.action_space.shape), 0.1 * np.ones(env.action_space.shape))
    return TD3(
        "MlpPolicy", env, learning_rate=3e-4, buffer_size=capacity, learning_starts=random_steps, batch_size=256,
        tau=0.005, gamma=0.99, train_freq=1, gradient_steps=1, action_noise=noise, policy_delay=2, seed=seed,
        device="cpu", policy_kwargs={"net_arch": [256, 256]},
    )  # fmt: skip


class Deployed(nn.Module):
    """An actor of the peer as one of this project: observations [N, D] -> actions [N, A] in the task's own bounds."""

    middle: Tensor
    reach: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.actor = model.policy.actor
        low, high = (torch.as_tensor(bound) for bound in (model.action_space.low, model.action_space.high))
        self.register_buffer("middle", (low + high) / 2)
        self.register_buffer("reach", (high - low) / 2)

    def forward(self, x: Tensor) -> Tensor:
        """Actions without noise."""
        return self.middle + self.reach * self.actor(x)


def measure(task: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training, judged on the seeds on which this project's actors are judged; without the judgements' time."""
    model = peer(task, random_steps=options.random_steps, capacity=10**6, seed=seed)
    arena = Arena(Deployed(model), task, episodes=10, seed=seed + EVALUATION_SEED)
    judged, seconds = [], 0.0
    for step in range(0, options.steps + 1, options.evaluate_every):
        if step:
            began = time.perf_counter()
            model.learn(options.evaluate_every, reset_num_timesteps=step == options.evaluate_every)
            seconds += time.perf_counter() - began
        judged.append({"step": step, "returns": arena.returns()})
        mean = sum(judged[-1]["returns"]) / len(judged[-1]["returns"])
        say(f"{task}, {PEER}: seed {seed}, step {step}, mean_return {mean:.5g}, seconds {seconds:.5g}")
    return {
        "task": task, "method": PEER, "seed": seed, "step": options.steps, "steps": options.steps,
        "random_steps": options.random_steps, "together": 1, "seconds": seconds, "judged": judged, "breakdowns": 0,
        "device": "cpu",
    }  # fmt: skip


def main() -> int:
    """Train every seed; a row is on the disk as soon as its training ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="*", default=["InvertedDoublePendulum-v4"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--random_steps", type=int, default=25_000)
    parser.add_argument("--evaluate_every", type=int, default=5_000)
    parser.add_argument("--rows", type=Path, required=True, help="rows.jsonl, to which the rows are added")
    options = parser.parse_args()
    if options.steps % options.evaluate_every:
        parser.error(f"--steps: got {options.steps}; expected a multiple of --evaluate_every")
    torch.set_num_threads(1)
    packages = ("torch", "numpy", "gymnasium", "mujoco", "stable-baselines3", "spikewright")
    made_of = environment(packages, source=Path(__file__))
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    for task in options.tasks:
        for seed in options.seeds:
            row = measure(task, seed, options) | {"environment": made_of}
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

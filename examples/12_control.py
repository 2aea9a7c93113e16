"""Control: a spiking actor learns a task of Gymnasium behind a proxy target, is kept as one file, and acts from it."""

import tempfile
from functools import partial
from pathlib import Path

import torch

from spikewright.rl import TD3, LoopConfig, ProxyTarget, SpikingActor, load_actor, returns, save_actor, train

TASK = "Pendulum-v1"  # any id of Gymnasium whose observations and actions are vectors; HalfCheetah-v5 with MuJoCo
torch.set_num_threads(1)

# T = 5 steps a decision, LIF neurons with the published constants; small here, two layers of 256 by default
actor = partial(SpikingActor, hidden=(32, 32))
algorithm = TD3(target=ProxyTarget(updates=1, lr=3e-3, hidden=(64, 64)), batch=64, critic_hidden=(64, 64))
config = LoopConfig(steps=500, random_steps=200, evaluate_every=250, episodes=2, seed=0)


def tell(step: int, mean_return: float, **numbers: float) -> None:
    print(f"after {step} steps: {mean_return:.0f}")


with tempfile.TemporaryDirectory() as folder:
    done = train(TASK, actor, algorithm, config, folder=Path(folder), log=tell)  # a killed run goes on from there

    # the actor alone: no critic, no proxy, no training code
    file = Path(folder) / "actor.safetensors"
    save_actor(file, done.actor, TASK)
    deployed = load_actor(file).actor
    print(f"{file.stat().st_size / 1024:.0f} KiB; return {returns(deployed, TASK, episodes=2, seed=7)[0]:.0f}")

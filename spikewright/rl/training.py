"""Training: one run's environments, buffer, learner and random numbers, and how they are kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.device import usable
from ..core.errors import CheckpointError, sentence
from ..models.checkpoint import load, save
from .algorithm import Algorithm, Learner
from .buffer import ReplayBuffer
from .env import Episode
from .evaluate import Arena
from .loop_config import Judgement, LoopConfig
from .made import made
from .recorded import Part

EVALUATION_SEED = 100
"""Added to a run's seed for the episodes that judge it."""


class Training:
    """One run: environments, buffer, learner and random numbers.

    Args:
        task, actor, algorithm, config: see `train`.
        device: where networks and transitions are.
    """

    def __init__(
        self,
        task: str,
        actor: Callable[[Any], nn.Module],
        algorithm: Algorithm,
        config: LoopConfig,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = usable(device, "Training")
        self.task, self.algorithm, self.config = task, algorithm, config
        self.episodes = [Episode(task, _seed_of(config.seed, number)) for number in range(config.environments)]
        space = self.episodes[0].space
        self.learner: Learner = algorithm.learner(made(actor, space).to(self.device), space)
        self.buffer = ReplayBuffer(config.capacity, space.observations, space.actions, self.device)
        self.draws = np.random.default_rng((config.seed, 1))
        self.noise = torch.Generator().manual_seed(config.seed)
        self.middle = (np.array(space.high) + np.array(space.low)) / 2
        self.half = (np.array(space.high) - np.array(space.low)) / 2
        self.step, self.seconds = 0, 0.0
        self._arena: Arena | None = None
        self.judgements: list[Judgement] = []
        self.finished: list[tuple[int, float]] = []
        """Step and return of every training episode."""

    @property
    def actor(self) -> nn.Module:
        """The actor as it is now."""
        return self.learner.actor

    @property
    def best(self) -> float:
        """Largest mean return of all judgements."""
        return max(judgement.mean for judgement in self.judgements)

    def last(self, number: int = 10) -> float:
        """Mean return of the last judgements."""
        return mean(judgement.mean for judgement in self.judgements[-number:])

    @property
    def part(self) -> Part:
        """What an update needs."""
        return Part(self.learner, self.buffer, self.draws, self.noise)

    @property
    def is_random(self) -> bool:
        """Whether actions are still drawn evenly."""
        return self.step < self.config.random_steps

    def seen(self) -> np.ndarray:
        """The observations of all environments, [E, D]."""
        return np.stack([episode.x for episode in self.episodes])

    def random_actions(self) -> np.ndarray:
        """Actions for all environments, drawn evenly, [E, A]."""
        shares = 2 * torch.rand(self._shape, generator=self.noise, dtype=torch.float64).numpy() - 1
        return (self.middle + self.half * shares).astype(np.float32)

    def explored(self, action: np.ndarray) -> np.ndarray:
        """The actor's actions with noise, within the bounds, [E, A]."""
        noise = torch.randn(self._shape, generator=self.noise, dtype=torch.float64).numpy()
        noisy = action + self.config.exploration * self.half * noise
        return np.clip(noisy, self.middle - self.half, self.middle + self.half).astype(np.float32)

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.episodes), len(self.half)

    def take(self, number: int, action: np.ndarray) -> bool:
        """One step of one environment; whether an update is due after it."""
        episode = self.episodes[number]
        x = episode.x
        step = episode.step(action)
        self.step += 1
        if step is not None:
            after, reward, ended, over = step
            self.buffer.add(x, action, reward, after, ended=ended)
            if over:
                self.finished.append((self.step, episode.total))
                episode.begin()
        return self.step > self.config.random_steps and len(self.buffer) > 0

    def judge(self, log: Callable[..., None], **numbers: Tensor) -> None:
        """Play whole episodes without noise, on seeds of their own."""
        if self._arena is None:
            seed = self.config.seed + EVALUATION_SEED
            self._arena = Arena(self.actor, self.task, episodes=self.config.episodes, seed=seed)
        found = Judgement(self.step, tuple(self._arena.returns()))
        self.judgements.append(found)
        plain = {name: float(value) for name, value in numbers.items()}
        log(step=self.step, mean_return=found.mean, seconds=self.seconds, breakdowns=self.breakdowns, **plain)

    @property
    def breakdowns(self) -> int:
        """How often an environment broke down and was begun anew."""
        return sum(episode.breakdowns for episode in self.episodes)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must have been made with."""
        loop = {name: value for name, value in asdict(self.config).items() if name not in _MAY_DIFFER}
        return {"task": self.task, "algorithm": repr(self.algorithm), "actor": str(self.actor), **loop}

    def save(self, path: Path) -> None:
        """Write everything, in one step."""
        tensors, values = self.learner.state()
        tensors = {f"learner.{name}": tensor for name, tensor in tensors.items()}
        tensors |= {f"buffer.{name}": tensor for name, tensor in self.buffer.state().items()}
        tensors["noise"] = self.noise.get_state()
        for number, episode in enumerate(self.episodes):
            tensors[f"episode.{number}"] = torch.from_numpy(episode.taken())
        description = {
            "about": self.about(), "learner": values, "step": self.step, "seconds": self.seconds,
            "draws": self.draws.bit_generator.state, "finished": self.finished,
            "judgements": [(judgement.step, judgement.returns) for judgement in self.judgements],
            "episodes": [episode.state() for episode in self.episodes],
        }  # fmt: skip
        save(path, tensors, description)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: if it cannot be read, or is that of another run; says what differs.
        """
        tensors, description = load(path)
        known, own = description.get("about", {}), self.about()
        for name, value in own.items():
            if known.get(name) != value:
                met = f"a run with {name} {known.get(name)}"
                raise CheckpointError(sentence(f"checkpoint {path}", met, str(value), "Choose another folder"))
        self.learner.restore(_part(tensors, "learner."), description["learner"], f"checkpoint {path}")
        self.buffer.restore(_part(tensors, "buffer."))
        self.noise.set_state(tensors["noise"])
        self.draws.bit_generator.state = description["draws"]
        self.step, self.seconds = description["step"], description["seconds"]
        self.finished = [(int(step), float(total)) for step, total in description["finished"]]
        self.judgements = [Judgement(step, tuple(found)) for step, found in description["judgements"]]
        for number, (episode, state) in enumerate(zip(self.episodes, description["episodes"], strict=True)):
            episode.restore(state, tensors[f"episode.{number}"].numpy())


_MAY_DIFFER = ("steps", "checkpoint_every", "evaluate_every", "episodes")
"""Settings that a run may go on with changed."""


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, 2, number)).generate_state(1)[0])

"""train(): the loop between environments and a learner; a run that was stopped goes on to the same numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, CheckpointError, sentence
from ..models.checkpoint import load, save
from .algorithm import Algorithm, Learner
from .buffer import ReplayBuffer, Transitions
from .env import Episode
from .evaluate import returns

CHECKPOINT = "checkpoint.safetensors"
EVALUATION_SEED = 100
"""Added to a run's seed for the episodes that judge it."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long an actor is trained, and how it is judged meanwhile.

    Args:
        steps: of all environments together, the random ones included.
        random_steps: at the beginning, with actions drawn evenly; nothing is learnt from them until they are over.
        environments: that are stepped in turn, their actions computed together.
        exploration: standard deviation of the noise on actions, in shares of their half range.
        capacity: transitions that are kept.
        evaluate_every: steps between judgements.
        episodes: of a judgement.
        checkpoint_every: steps between checkpoints.
        seed: of networks, noise, draws and environments.
    """

    steps: int = 1_000_000
    random_steps: int = 25_000
    environments: int = 1
    exploration: float = 0.1
    capacity: int = 1_000_000
    evaluate_every: int = 5_000
    episodes: int = 10
    checkpoint_every: int = 5_000
    seed: int = 0

    def __post_init__(self) -> None:
        names = ("steps", "environments", "capacity", "evaluate_every", "episodes", "checkpoint_every")
        for name in names:
            check_whole(f"LoopConfig.{name}", getattr(self, name), least=1)
        for name in ("random_steps", "seed"):
            check_whole(f"LoopConfig.{name}", getattr(self, name), least=0)
        if not 0 <= self.exploration < float("inf"):
            raise ArgumentError(sentence("LoopConfig.exploration", repr(self.exploration), "a number of at least 0"))


@dataclass(frozen=True)
class Judgement:
    """Returns of whole episodes after some steps.

    Args:
        step: environment steps so far.
        returns: of each episode.
    """

    step: int
    returns: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean return."""
        return mean(self.returns)


def train(
    task: str,
    actor: Callable[[Any], nn.Module],
    algorithm: Algorithm,
    config: LoopConfig,
    *,
    folder: Path | None = None,
    log: Callable[..., None] = lambda **numbers: None,
    minutes: float = float("inf"),
) -> Training:
    """Train an actor on a task of Gymnasium; a run that finds its checkpoint in `folder` goes on from there.

    Args:
        task: id of the environment.
        actor: makes the actor for a `Space`.
        algorithm: how it learns.
        config: the numbers of the run.
        folder: where `checkpoint.safetensors` is kept; None to keep none.
        log: called with named numbers at each judgement.
        minutes: stop past this time, with a checkpoint written, to go on later.

    Raises:
        ArgumentError: for a task that is unknown or whose actions have no bounds.
        CheckpointError: if the folder's checkpoint is that of another run.
    """
    torch.manual_seed(config.seed)
    training = Training(task, actor, algorithm, config)
    path = None if folder is None else Path(folder) / CHECKPOINT
    if path is not None and path.is_file():
        training.restore(path)
    training.run(path, log, time.monotonic() + 60 * minutes)
    return training


class Training:
    """One run: environments, buffer, learner and random numbers."""

    def __init__(self, task: str, actor: Callable[[Any], nn.Module], algorithm: Algorithm, config: LoopConfig) -> None:
        self.task, self.algorithm, self.config = task, algorithm, config
        self.episodes = [Episode(task, _seed_of(config.seed, number)) for number in range(config.environments)]
        space = self.episodes[0].space
        self.learner: Learner = algorithm.learner(actor(space), space)
        self.buffer = ReplayBuffer(config.capacity, space.observations, space.actions)
        self.draws = np.random.default_rng((config.seed, 1))
        self.noise = torch.Generator().manual_seed(config.seed)
        self.middle = (np.array(space.high) + np.array(space.low)) / 2
        self.half = (np.array(space.high) - np.array(space.low)) / 2
        self.step, self.seconds = 0, 0.0
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

    def run(self, path: Path | None, log: Callable[..., None], until: float) -> None:
        """Go on to the end, or until a time of the monotonic clock."""
        config = self.config
        if not self.judgements:
            self.judge(log)
        began, saved, numbers = time.monotonic(), self.step, {}
        before = self.seconds
        while self.step < config.steps:
            late = time.monotonic() > until
            if path is not None and (late or self.step - saved >= config.checkpoint_every):
                self.seconds, saved = before + time.monotonic() - began, self.step
                self.save(path)
            if late:
                return
            numbers = self.advance() or numbers
            if self.step % config.evaluate_every < config.environments:
                self.seconds = before + time.monotonic() - began
                self.judge(log, **numbers)
        self.seconds = before + time.monotonic() - began
        if path is not None:
            self.save(path)

    def advance(self) -> dict[str, float]:
        """One step of every environment, and as many updates once the random steps are over."""
        numbers: dict[str, float] = {}
        for episode, action in zip(self.episodes, self.actions()):
            x = episode.x
            step = episode.step(action)
            self.step += 1
            if step is not None:
                after, reward, ended, over = step
                self.buffer.add(x, action, reward, after, ended=ended)
                if over:
                    self.finished.append((self.step, episode.total))
                    episode.begin()
            if self.step > self.config.random_steps and len(self.buffer):
                numbers = self.learner.update(self.draw, self.noise)
        return numbers

    def actions(self) -> np.ndarray:
        """Actions for all environments, with exploration, within the bounds, [E, A]."""
        shape = (len(self.episodes), len(self.half))
        if self.step < self.config.random_steps:
            shares = 2 * torch.rand(shape, generator=self.noise, dtype=torch.float64).numpy() - 1
            return (self.middle + self.half * shares).astype(np.float32)
        with torch.no_grad():
            action = self.actor(torch.from_numpy(np.stack([episode.x for episode in self.episodes]))).numpy()
        noise = torch.randn(shape, generator=self.noise, dtype=torch.float64).numpy()
        noisy = action + self.config.exploration * self.half * noise
        return np.clip(noisy, self.middle - self.half, self.middle + self.half).astype(np.float32)

    def draw(self) -> Transitions:
        """A batch from the buffer."""
        return self.buffer.sample(self.algorithm.batch, self.draws)

    def judge(self, log: Callable[..., None], **numbers: float) -> None:
        """Play whole episodes without noise, on seeds of their own."""
        seed = self.config.seed + EVALUATION_SEED
        found = Judgement(self.step, tuple(returns(self.actor, self.task, episodes=self.config.episodes, seed=seed)))
        self.judgements.append(found)
        log(step=self.step, mean_return=found.mean, seconds=self.seconds, breakdowns=self.breakdowns, **numbers)

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

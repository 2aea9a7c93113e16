"""One task and one seed of a control run: trained in a folder of its own, and what came out as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..core.errors import CheckpointError, sentence
from ..models.checkpoint import load
from ..profile import COST_TABLES, CostTable
from ..report.atomic import write_atomic
from ..report.strict_json import dumps, loads
from ..rl import Space, load_actor, save_actor, train_together
from .decision import Decision, decision_of, played

if TYPE_CHECKING:
    from ..rl.training import Training
    from .control import ControlRun

RESULT, LAST, BEST = "result.json", "actor.safetensors", "best.safetensors"
DECISION_SEED = 10_000
"""Added to a run's seed for the episode on which decisions are counted."""


@dataclass(frozen=True)
class Job:
    """What one process does: a task and a seed."""

    task: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}, seed {self.seed}"

    def place(self, run: Path) -> Path:
        """Its folder below that of the run."""
        return run / re.sub(r"[^A-Za-z0-9._-]+", "_", self.task) / f"seed-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What came out of a job so far.

    Args:
        task, seed: of the job.
        steps: environment steps done.
        wanted: those that were asked for.
        seconds: of training and judging.
        breakdowns: how often an environment broke down and was begun anew.
        judgements: step and returns of each.
        episodes: step and return of every training episode.
        decision: what a decision of the last actor costs.
    """

    task: str
    seed: int
    steps: int
    wanted: int
    seconds: float
    breakdowns: int
    judgements: tuple[tuple[int, tuple[float, ...]], ...]
    episodes: tuple[tuple[int, float], ...]
    decision: Decision

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.steps >= self.wanted

    @property
    def curve(self) -> dict[int, float]:
        """Step -> mean return."""
        return {step: sum(found) / len(found) for step, found in self.judgements}

    @property
    def best(self) -> float:
        """Largest mean return of all judgements."""
        return max(self.curve.values())

    def last(self, number: int = 10) -> float:
        """Mean return of the last judgements."""
        means = list(self.curve.values())[-number:]
        return sum(means) / len(means)

    @classmethod
    def of(cls, job: Job, training: Training, decision: Decision) -> Outcome:
        """What a training has come to."""
        judgements = tuple((each.step, tuple(each.returns)) for each in training.judgements)
        return cls(
            job.task, job.seed, training.step, training.config.steps, training.seconds, training.breakdowns,
            judgements, tuple(training.finished), decision,
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        write_atomic(path, dumps({**vars(self), "decision": self.decision.to_dict()}, path.name) + "\n")

    @classmethod
    def read(cls, path: Path) -> Outcome | None:
        """What `write` kept; None if there is nothing yet.

        Raises:
            CheckpointError: if the file is broken.
        """
        if not path.is_file():
            return None
        try:
            data = loads(path.read_text(encoding="utf-8"), str(path))
            judgements = tuple((int(step), tuple(found)) for step, found in data.pop("judgements"))
            episodes = tuple((int(step), float(total)) for step, total in data.pop("episodes"))
            decision = Decision.from_dict(data.pop("decision"))
            return cls(**data, judgements=judgements, episodes=episodes, decision=decision)
        except (OSError, ValueError, TypeError, KeyError) as error:
            todo = "Remove it: the run goes on from its checkpoint"
            raise CheckpointError(sentence(str(path), f"a broken result ({error})", "a whole one", todo)) from error


def run_jobs(
    config: ControlRun, jobs: Sequence[Job], run: Path, watch: Callable[..., None], minutes: float = float("inf")
) -> None:
    """Train some seeds on one task side by side, or go on with them; keep last actors, best ones and results.

    Args:
        config: the run.
        jobs: of one task; several learn in one process, which a GPU makes cheap.
        run: folder of the run.
        watch: called with the job and named numbers at each judgement.
        minutes: stop past this time, to go on later.
    """
    task, kept = jobs[0].task, {job.seed: _Kept(job, job.place(run)) for job in jobs}
    begun = iter(kept.values())

    def build(space: Space) -> nn.Module:  # called once for each seed, in their order
        return next(begun).take(config.actor.build(space))

    def judged(seed: int, **numbers: float) -> None:
        kept[seed].judged(**numbers)
        watch(kept[seed].job, **numbers)

    torch.set_num_threads(config.threads)
    trainings = train_together(
        task,
        build,
        config.algorithm,
        [replace(config.loop, seed=seed) for seed in kept],
        folders=[each.place for each in kept.values()],
        log=judged,
        minutes=minutes,
        device=config.device,
    )
    for each, training in zip(kept.values(), trainings):
        each.finish(training, COST_TABLES[config.costs])


class _Kept:
    """What is written of one training besides its checkpoint.

    Args:
        job: task and seed.
        place: its folder.
    """

    def __init__(self, job: Job, place: Path) -> None:
        self.job, self.place = job, place
        known: dict[str, Any] = load(place / BEST)[1].get("about", {}) if (place / BEST).is_file() else {}
        self.best = float(known.get("return", -float("inf")))
        self.actor: nn.Module | None = None

    def take(self, actor: nn.Module) -> nn.Module:
        """Remember the actor, which is trained in place."""
        self.actor = actor
        return actor

    def judged(self, **numbers: float) -> None:
        """Keep the actor if it is better than any before."""
        if self.actor is not None and numbers["mean_return"] > self.best:
            self.best = numbers["mean_return"]
            about = {"return": self.best, "step": numbers["step"], "seed": self.job.seed}
            save_actor(self.place / BEST, self.actor, self.job.task, about)

    def finish(self, training: Training, costs: CostTable) -> None:
        """Keep the last actor, and what came out; decisions are counted on the CPU with the actor from its file."""
        about = {"return": training.judgements[-1].mean, "step": training.step, "seed": self.job.seed}
        save_actor(self.place / LAST, training.actor, self.job.task, about)
        actor = load_actor(self.place / LAST).actor
        _, x = played(actor, self.job.task, episodes=1, seed=self.job.seed + DECISION_SEED)
        Outcome.of(self.job, training, decision_of(actor, x, costs)).write(self.place / RESULT)

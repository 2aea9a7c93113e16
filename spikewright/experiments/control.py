"""ControlRun: actors trained on tasks of control as one frozen value; run_control() carries it out in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..core.arguments import check_whole
from ..core.config import to_json
from ..core.device import usable
from ..core.errors import ArgumentError, ConfigError, ProcessError, sentence
from ..profile import COST_TABLES
from ..report import Report, RunFolder, environment
from ..report.atomic import write_atomic
from ..report.strict_json import dumps
from ..rl import TD3, ActorChoice, Algorithm, LIFChoice, LoopConfig, ProxyTarget, load_actor
from ..rl.env import make, space_of
from ..rl.loop_config import LARGEST_SEED
from .control_jobs import LAST, RESULT, Job, Outcome
from .control_ray import check_ray
from .control_report import control_report
from .control_workers import Failures, carry_out
from .decision import latency_rows, played
from .filming import Film, filmed
from .registries import REGISTRIES

PACKAGES = ("spikewright", "torch", "numpy", "gymnasium", "mujoco", "safetensors", "scipy")
MAY_DIFFER = ("seeds", "workers", "threads", "device", "minutes", "cluster", "video")
"""What may be another one when a run is gone on with."""
LOOP_MAY_DIFFER = ("steps", "evaluate_every", "episodes", "checkpoint_every")
"""And of its loop."""
Watch = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class ControlRun:
    """Training of one kind of actor on tasks of control, over several seeds.

    Args:
        name: name of the run.
        task: ids of Gymnasium's environments, each with its own table row.
        actor: what is trained: its neurons and sizes.
        algorithm: how it learns, and whose action its critics' target takes.
        loop: how long, and how it is judged; `loop.seed` stays 0, as `seeds` decides.
        seeds: one independent training each.
        workers: trainings at once, each in a process of its own; 1 for one after another in this process.
        threads: of the CPU, of each process; networks this small gain nothing by more than one.
        device: where networks learn; on a GPU all seeds of a task learn side by side in one process.
        minutes: stop with checkpoints after this time, to be gone on with later; none for no limit.
        cluster: address of a Ray cluster that trains on its machines, `auto` for the one that this belongs to, `local`
            for one of this machine's cores; the run folder lies where all machines see it. None for no cluster.
        costs: name of the cost table for energies.
        video: whether an episode of each task is written as a film.
        out: folder of the run folders.
    """

    name: str = "control"
    task: tuple[str, ...] = ("HalfCheetah-v5",)
    actor: ActorChoice = field(default_factory=LIFChoice)
    algorithm: Algorithm = field(default_factory=lambda: TD3(target=ProxyTarget()))
    loop: LoopConfig = field(default_factory=LoopConfig)
    seeds: tuple[int, ...] = (0,)
    workers: int = 1
    threads: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    minutes: float | None = None
    cluster: str | None = None
    costs: str = "float32_45nm"
    video: bool = False
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name, allowed in (("task", "ids of environments"), ("seeds", "whole numbers")):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                met = f"{', '.join(map(str, given))}" if given else "none"
                raise ArgumentError(sentence(f"ControlRun.{name}", met, f"{allowed}, each once"))
        for seed in self.seeds:
            check_whole("ControlRun.seeds", seed, least=0, most=LARGEST_SEED)
        for name in ("workers", "threads"):
            check_whole(f"ControlRun.{name}", getattr(self, name), least=1)
        if self.device != "cpu" and self.workers > 1:
            met, todo = f"{self.workers} with {self.device}", "Seeds learn side by side there anyway"
            raise ArgumentError(sentence("ControlRun.workers", met, "1", todo))
        if self.cluster is not None and self.workers > 1:
            met, todo = f"{self.workers} with a cluster", "The cluster decides how many it trains at once"
            raise ArgumentError(sentence("ControlRun.workers", met, "1", todo))
        if self.minutes is not None and not self.minutes >= 0:
            raise ArgumentError(sentence("ControlRun.minutes", repr(self.minutes), "none or a number of at least 0"))
        if self.costs not in COST_TABLES:
            raise ArgumentError(sentence("ControlRun.costs", repr(self.costs), f"one of {', '.join(COST_TABLES)}"))
        if self.loop.seed:
            todo = f"Take --seeds {self.loop.seed}"
            raise ArgumentError(sentence("ControlRun.loop", f"seed {self.loop.seed}", "seed 0", todo))
        if self.loop.steps <= self.loop.random_steps:
            met = f"{self.loop.steps:,} steps, of which the first {self.loop.random_steps:,} are random"
            todo = "Nothing would be learnt: take fewer --loop.random_steps"
            raise ArgumentError(sentence("ControlRun.loop", met, "more steps than random ones", todo))

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All trainings: the first seed on every task, then the second one."""
        return tuple(Job(task, seed) for seed in self.seeds for task in self.task)

    @property
    def method(self) -> str:
        """What is trained, in a few words.

        Example:
            >>> ControlRun().method
            'PT-LIF, TD3'
        """
        proxy = "PT-" if isinstance(getattr(self.algorithm, "target", None), ProxyTarget) else ""
        return f"{proxy}{self.actor.label}, {type(self.algorithm).__name__}"


def check_control(config: ControlRun) -> None:
    """Meet what is wrong with tasks, actor or algorithm before any time is spent on them.

    Raises:
        ArgumentError: for a task that is unknown or whose actions have no bounds, or an actor that cannot be built.
    """
    if config.cluster is None:
        usable(config.device, "ControlRun")
    else:
        check_ray()
    for task in config.task:
        env = make(task)
        space = space_of(env, task)
        env.close()
        with torch.random.fork_rng(devices=[]):
            config.algorithm.learner(config.actor.build(space), space)


def check_same_control(begun: ControlRun, config: ControlRun) -> None:
    """Refuse a config that trains otherwise than the run that is gone on with.

    Raises:
        ConfigError: names the field.
    """
    todo = "Begin a run of its own, with --config and the config.json of this one"
    for name in vars(begun):
        if name not in (*MAY_DIFFER, "loop") and getattr(begun, name) != getattr(config, name):
            raise ConfigError(sentence("--resume", f"another {name}", "what the run was begun with", todo))
    for name in vars(begun.loop):
        if name not in LOOP_MAY_DIFFER and getattr(begun.loop, name) != getattr(config.loop, name):
            raise ConfigError(sentence("--resume", f"another loop.{name}", "what the run was begun with", todo))


def run_control(config: ControlRun, folder: RunFolder, watch: Watch = lambda job, **numbers: None) -> Report:
    """Train all seeds on all tasks, or go on with those that are not done, and write the report.

    Args:
        config: the run.
        folder: where it is written; each training has a folder of its own in it.
        watch: called with the job and named numbers at each judgement.

    Raises:
        ArgumentError: as `check_control`.
        ProcessError: if no training came to a result.
    """
    check_control(config)
    write_atomic(folder.path / "config.json", dumps(to_json(config, REGISTRIES), "config") + "\n")

    def seen(job: Job, **numbers: Any) -> None:
        folder.log(task=job.task, seed=job.seed, **numbers)
        watch(job, **numbers)

    waiting = [job for job in config.jobs if not _done(config, job, folder.path)]
    failures = carry_out(config, folder.path, waiting, seen)
    outcomes = _outcomes(config, folder.path)
    if not outcomes:
        job, text = next(iter(failures.items()), (config.jobs[0], "the time was up before it began."))
        raise ProcessError(
            f"{job}: {text} No training came to a result; go on with: spikewright rl --resume {folder.path}"
        )
    return _reported(config, folder, outcomes, failures)


def _done(config: ControlRun, job: Job, run: Path) -> bool:
    outcome = Outcome.read(job.place(run) / RESULT)
    return outcome is not None and outcome.steps >= config.loop.steps


def _outcomes(config: ControlRun, run: Path) -> list[Outcome]:
    jobs = [Job(task, seed) for task in config.task for seed in config.seeds]
    found = (Outcome.read(job.place(run) / RESULT) for job in jobs)
    return [outcome for outcome in found if outcome is not None]


def _reported(config: ControlRun, folder: RunFolder, outcomes: Sequence[Outcome], failures: Failures) -> Report:
    """The report without films first: what draws bodies on a machine without a screen may end the process."""
    firsts = {outcome.task: outcome for outcome in reversed(outcomes)}
    actors = {task: load_actor(Job(task, one.seed).place(folder.path) / LAST).actor for task, one in firsts.items()}
    latencies = {}
    for task, actor in actors.items():
        _, x = played(actor, task, episodes=1, seed=firsts[task].seed)
        latencies[task] = latency_rows(actor, x)
    about = environment(PACKAGES) | {"device": config.device, "seed": ", ".join(map(str, config.seeds))}
    said = {str(job): text for job, text in failures.items()}

    def report(films: dict[str, Film]) -> Report:
        return control_report(config, to_json(config, REGISTRIES), about, outcomes, latencies, films, said)

    folder.write(report({}))
    films = {}
    for task, actor in actors.items():
        video = folder.path / "video" / f"{Job(task, 0).place(Path()).parent}.mp4" if config.video else None
        films[task] = filmed(actor, task, seed=firsts[task].seed, video=video)
    folder.write(report(films))
    return folder.report()

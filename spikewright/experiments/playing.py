"""PlayRun: episodes played by an actor from a file; run_play() writes what they returned and what a decision costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import torch

from ..core.arguments import check_whole
from ..core.config import to_json
from ..core.errors import ArgumentError, sentence
from ..profile import COST_TABLES
from ..report import Column, FigureSpec, Report, RunFolder, Table, environment
from ..rl import load_actor
from ..rl.env import make, space_of
from .control import PACKAGES
from .control_report import film_figures
from .decision import decision_of, latency_rows, played
from .filming import Film, filmed
from .registries import REGISTRIES

RETURNS = (
    Column("task"),
    Column("actor"),
    Column("episodes", "", 0),
    Column("mean return", "", 1),
    Column("deviation", "", 1, "Standard deviation of the episodes' returns; a dash for a single one."),
    Column("lowest", "", 1),
    Column("highest", "", 1),
    Column("spikes", "", 0, "Of one decision; a dash for an actor without any."),
    Column("synops", "", 0, "Synaptic operations of one decision."),
    Column("MACs", "", 0, "Multiply-accumulates of one decision."),
    Column("energy", "J", note="Of one decision: the network alone, without encoder, decoder and tanh."),
)


@dataclass(frozen=True, kw_only=True)
class PlayRun:
    """Episodes played by a trained actor.

    Args:
        actor: its file, actor.safetensors or best.safetensors of a training.
        task: id of the environment; none for the one that it was trained on.
        episodes: how many.
        seed: of the episodes; those of a training have other ones.
        threads: of the CPU.
        costs: name of the cost table for energies.
        video: whether an episode is written as a film.
        out: folder of the run folders.
    """

    actor: Path
    task: str | None = None
    episodes: int = 10
    seed: int = 1_000_000
    threads: int = 1
    costs: str = "float32_45nm"
    video: bool = False
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name, least in (("episodes", 1), ("threads", 1), ("seed", 0)):
            check_whole(f"PlayRun.{name}", getattr(self, name), least=least)
        if self.costs not in COST_TABLES:
            raise ArgumentError(sentence("PlayRun.costs", repr(self.costs), f"one of {', '.join(COST_TABLES)}"))


def run_play(config: PlayRun, folder: RunFolder, ready: Callable[[], None] = lambda: None) -> Report:
    """Play, count and time, and write the report into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        ready: called when actor and task are there and fit: from then on the folder will be kept.

    Raises:
        CheckpointError: if the file holds no actor.
        ArgumentError: for an unknown task, or an actor that was made for another one.
        DataError: for an observation that is not finite.
    """
    torch.set_num_threads(config.threads)
    saved = load_actor(config.actor)
    task = config.task or saved.task
    env = make(task)
    saved.check(space_of(env, task), task)
    env.close()
    ready()
    found, x = played(saved.actor, task, episodes=config.episodes, seed=config.seed)
    decision = decision_of(saved.actor, x, COST_TABLES[config.costs])
    deviation = stdev(found) if len(found) > 1 else None
    cells = (decision.spikes, decision.synops, decision.macs, decision.joule)
    row = (task, saved.choice.label, len(found), fmean(found), deviation, min(found), max(found), *cells)
    times = Table.from_records(
        "Time of a decision",
        (Column("by"), Column("time", "s"), Column("largest difference"), Column("decisions", "", 0)),
        latency_rows(saved.actor, x),
        "Median of one decision with a batch of one, encoder and decoder included.",
    )
    each = tuple((number, total) for number, total in enumerate(found, 1))
    episodes = Table("Episodes", (Column("episode", "", 0), Column("return", "", 2)), each)
    layers = () if decision.layers is None else (decision.layers,)
    costs = COST_TABLES[config.costs]
    report = Report(
        f"{saved.choice.label} on {task}",
        f"{saved.choice.label}, trained on {saved.task}: mean return **{fmean(found):,.1f}** over {len(found)} "
        f"episodes of {task}, from {min(found):,.1f} to {max(found):,.1f}.",
        to_json(config, REGISTRIES),
        environment(PACKAGES) | {"device": "cpu", "seed": config.seed},
        (Table("Returns", RETURNS, (row,)), times, *layers, episodes),
        tuple(
            FigureSpec("density", "density_per_layer", "Spikes per neuron and time step.", layer.title)
            for layer in layers
        ),
        (f"Energy by the cost table {costs.name}. {costs.note}",),
        (costs.source,),
    )
    folder.write(report)
    video = folder.path / "video" / "episode.mp4" if config.video else None
    film = filmed(saved.actor, task, seed=config.seed, video=video)
    return _with_film(report, task, film, folder)


def _with_film(report: Report, task: str, film: Film, folder: RunFolder) -> Report:
    figures = (*report.figures, *film_figures({task: film}))
    report = replace(report, figures=figures, notes=(*report.notes, *filter(None, (film.why,))))
    folder.write(report)
    return report

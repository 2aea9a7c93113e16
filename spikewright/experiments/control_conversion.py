"""ConvertActorRun: an ordinary actor from a file made spiking by a recipe; run_convert_actor() plays it at every T."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor, nn

from ..coding import repeat
from ..convert.driver import convert
from ..convert.recipe import Conversion, Recipe
from ..convert.recipes import OPI
from ..convert.statistics import ErrorOptimal, per_channel
from ..core.arguments import check_whole
from ..core.config import to_json
from ..core.errors import ArgumentError, sentence
from ..core.references import source_of
from ..models.classifier import Classifier
from ..profile import COST_TABLES, CostTable, count_macs, count_operations, count_spikes, estimate
from ..report import Column, FigureSpec, Report, RunFolder, Table, environment
from ..report.numbers import Cell
from ..rl import OrdinaryActor, load_actor, mean_interval, returns
from ..rl.env import make, space_of
from .control import PACKAGES
from .decision import OBSERVATIONS, played
from .registries import REGISTRIES

COLUMNS = (
    Column("actor"),
    Column("T", "steps", note="None for the ordinary actor."),
    Column("mean return", "", 1),
    Column("deviation", "", 1, "Standard deviation of the episodes' returns; a dash for a single one."),
    Column("low", "", 1, "End of the mean's 95 % interval by Student's t over episodes; a dash for a single one."),
    Column("high", "", 1, "Its other end."),
    Column("lowest", "", 1),
    Column("highest", "", 1),
    Column("action error", "", 4, "Mean distance of an action to the ordinary actor's, on what that one saw."),
    Column("spikes", "", 0, "Of one decision."),
    Column("synops", "", 0, "Synaptic operations of one decision."),
    Column("MACs", "", 0, "Multiply-accumulates of one decision."),
    Column("energy", "J", note="Of one decision, without the tanh."),
)


@dataclass(frozen=True, kw_only=True)
class ConvertActorRun:
    """A trained ordinary actor, converted and played after several numbers of steps.

    Args:
        actor: its file, actor.safetensors or best.safetensors of a training with `--actor ordinary`.
        task: id of the environment; none for the one that it was trained on.
        recipe: how the network becomes a spiking one; the tanh that bounds actions stays.
        timesteps: every T that is played.
        episodes: of each.
        calibration_episodes: episodes of the ordinary actor, with other seeds, whose observations set thresholds.
        seed: of the episodes; those of a training have other ones.
        threads: of the CPU.
        costs: name of the cost table for energies.
        out: folder of the run folders.
    """

    actor: Path
    task: str | None = None
    recipe: Recipe = field(default_factory=lambda: OPI(threshold=ErrorOptimal(timesteps=8, groups=per_channel)))
    timesteps: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    episodes: int = 10
    calibration_episodes: int = 2
    seed: int = 1_000_000
    threads: int = 1
    costs: str = "float32_45nm"
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        for name, least in (("episodes", 1), ("calibration_episodes", 1), ("threads", 1), ("seed", 0)):
            check_whole(f"ConvertActorRun.{name}", getattr(self, name), least=least)
        if not self.timesteps or len(set(self.timesteps)) < len(self.timesteps):
            met = ", ".join(map(str, self.timesteps)) or "none"
            raise ArgumentError(sentence("ConvertActorRun.timesteps", met, "numbers of steps, each once"))
        for steps in self.timesteps:
            check_whole("ConvertActorRun.timesteps", steps, least=1)
        if self.costs not in COST_TABLES:
            allowed = f"one of {', '.join(COST_TABLES)}"
            raise ArgumentError(sentence("ConvertActorRun.costs", repr(self.costs), allowed))


def convert_actor(actor: OrdinaryActor, recipe: Recipe, x: Tensor) -> Conversion:
    """The network of an ordinary actor as a spiking one; see `spiking_policy` for actions.

    Args:
        actor: the policy; it stays as it is.
        recipe: the conversion method.
        x: observations that it met, [N, D], for methods that measure.

    Raises:
        ArgumentError: for an actor that is spiking already.
        ConversionError: as `convert`.
    """
    if not isinstance(actor, OrdinaryActor):
        todo = "Train one with --actor ordinary"
        raise ArgumentError(sentence("convert_actor.actor", type(actor).__name__, "an OrdinaryActor", todo))
    return convert(actor.network, recipe, x)


def spiking_policy(conversion: Conversion, actor: OrdinaryActor, timesteps: int) -> nn.Module:
    """Observations [N, D] -> actions [N, A]: T steps of the converted network, their mean, and the actor's bounds."""
    return nn.Sequential(Classifier(conversion.model, timesteps), actor.bounded).eval()


def run_convert_actor(config: ConvertActorRun, folder: RunFolder, ready: Callable[[], None] = lambda: None) -> Report:
    """Convert, play at every T, and write the report into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        ready: called when everything fits: from then on the folder will be kept.

    Raises:
        CheckpointError: if the file holds no actor.
        ArgumentError: for an unknown task, an actor that was made for another one, or a spiking actor.
        ConversionError: for a recipe that does not fit.
    """
    torch.set_num_threads(config.threads)
    saved = load_actor(config.actor)
    task = config.task or saved.task
    env = make(task)
    saved.check(space_of(env, task), task)
    env.close()
    actor, costs = saved.actor, COST_TABLES[config.costs]
    if not isinstance(actor, OrdinaryActor):
        todo = "Train one with --actor ordinary"
        raise ArgumentError(sentence("--convert", f"a {saved.choice.label} actor", "an ordinary one", todo))
    _, met = played(actor, task, episodes=config.calibration_episodes, seed=config.seed + 1)
    conversion = convert_actor(actor, config.recipe, met)
    ready()
    few = met[:: -(-len(met) // OBSERVATIONS)]
    own = returns(actor, task, episodes=config.episodes, seed=config.seed)
    rows: list[tuple[Cell, ...]] = [("ordinary", None, *_spread(own), 0.0, None, *_ordinary_cost(actor, few, costs))]
    for timesteps in config.timesteps:
        policy = spiking_policy(conversion, actor, timesteps)
        found = returns(policy, task, episodes=config.episodes, seed=config.seed)
        with torch.no_grad():
            error = float((policy(few) - actor(few)).abs().mean())
        name = type(config.recipe).__name__
        rows.append((name, timesteps, *_spread(found), error, *_spiking_cost(conversion, few, timesteps, costs)))
    report = _report(config, task, conversion, tuple(rows), costs)
    folder.write(report)
    return report


def _report(
    config: ConvertActorRun, task: str, conversion: Conversion, rows: tuple[tuple[Cell, ...], ...], costs: CostTable
) -> Report:
    table = Table("Return against T", COLUMNS, rows, f"{task}, {config.episodes} episodes each, the same seeds.")
    curve = Table(
        "Return",
        (Column("task"), Column("method"), *(Column(name, "", 1) for name in ("step", "mean", "low", "high"))),
        tuple((task, *point) for point in _points(rows)),
    )
    text = "Mean return after T steps a decision, shaded its 95 % interval; the ordinary actor beside it."
    options = {"axis": "time steps T of a decision (log scale)", "middle": "mean", "doublings": True}
    figure = FigureSpec("return", "return_curve", text, curve.title, options=options)
    return Report(
        f"An ordinary actor of {task} as a spiking one",
        _summary(rows),
        to_json(config, REGISTRIES),
        environment(PACKAGES) | {"device": "cpu", "seed": config.seed},
        (table, curve, conversion.table()),
        (figure,),
        (f"Energy by the cost table {costs.name}. {costs.note}",),
        tuple(filter(None, (source_of(type(config.recipe)), costs.source))),
    )


def _summary(rows: Sequence[tuple[Cell, ...]]) -> str:
    """The return at the longest T, and the highest one, which is said to be picked."""
    longest = max(rows[1:], key=lambda row: int(row[1] or 0))
    best = max(rows[1:], key=lambda row: float(row[2] or 0.0))
    text = f"Mean return **{longest[2]:,.1f}** at T = {longest[1]}, the ordinary actor's {rows[0][2]:,.1f}."
    if longest is best:
        return text
    picked = f"highest of {len(rows) - 1} values of T, picked by these very episodes and so too high by chance"
    return f"{text} At T = {best[1]} it is {best[2]:,.1f}, the {picked}."


def _points(rows: Sequence[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    """Method, T, mean return and its interval: of the converted actor, and at the same T of the ordinary one."""
    played = sorted(rows[1:], key=lambda row: int(row[1] or 0))
    for name, own in ((str(rows[1][0]), played), (str(rows[0][0]), [rows[0]] * len(played))):
        for at, (_, _, mean, _, low, high, *_) in zip(played, own):
            yield name, at[1], mean, low, high


def _spread(found: list[float]) -> tuple[float | None, ...]:
    deviation = stdev(found) if len(found) > 1 else None
    return fmean(found), deviation, *(mean_interval(found) or (None, None)), min(found), max(found)


def _ordinary_cost(actor: OrdinaryActor, x: Tensor, costs: CostTable) -> tuple[float, float, float | None]:
    operations = count_macs(actor.network, x)
    energy, totals = estimate(operations, costs), operations.totals()
    return totals.synops, totals.macs, None if energy.unpriced else energy.joule


def _spiking_cost(
    conversion: Conversion, x: Tensor, timesteps: int, costs: CostTable
) -> tuple[float, float, float, float | None]:
    xs = repeat(x, conversion.model.phases.steps(timesteps))
    with torch.no_grad():
        spikes, operations = count_spikes(conversion.model, xs), count_operations(conversion.model, xs)
    energy, totals = estimate(operations, costs), operations.totals()
    return spikes.spikes_per_sample(), totals.synops, totals.macs, None if energy.unpriced else energy.joule

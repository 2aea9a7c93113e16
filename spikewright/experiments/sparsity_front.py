"""SparsityRun: several spiking networks side by side, accuracy against synaptic operations, and which none beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..convert.recipe import Conversion
from ..core.config import to_json
from ..core.errors import ArgumentError, DataError, sentence
from ..core.seed import seed_all
from ..core.spiking import Spiking
from ..report import Column, FigureSpec, Report, RunFolder, Table, environment
from ..report.numbers import Cell
from ..sparsity import weights_left
from .conversion import EvaluateRun, judged_images
from .judging import Judging, measure
from .network import Loaded, load_spiking
from .pareto import pareto_front
from .registries import REGISTRIES
from .spiking_report import neurons_in
from .training import PACKAGES

COLUMNS = (
    Column("network"),
    Column("neurons"),
    Column("T", note="Time steps."),
    Column("accuracy", "%", 2),
    Column("low", "%", 2),
    Column("high", "%", 2, "Ends of the 95 % Wilson interval."),
    Column("firing rate", "", 4, "Spikes per neuron and time step."),
    Column("synops", "M", 3, "Millions of synaptic operations per image: accumulations caused by spikes."),
    Column("weights", "", 0, "Of convolutions and linear layers."),
    Column("not zero", "", 0, "Weights that are left."),
    Column("energy", "J", 2, "Per image: arithmetic only, see docs/energy.md."),
    Column("front", note="No network that is as accurate has fewer synaptic operations, none with as few is better."),
)


@dataclass(frozen=True, kw_only=True)
class SparsityRun:
    """Judgement of several networks that were trained as spiking ones.

    Args:
        models: run folders, or their model.safetensors.
        timesteps: T.
        dataset: name of the data set.
        split: split of the data set: "sample" is the embedded one.
        images: number of images, from the first on; none for all.
        counted_images: images on which spikes and operations are counted, from the first on.
        batch_size: images per batch.
        costs: name of the cost table for energies.
        seed: of every generator.
        data: folder of the data sets; none for SPIKEWRIGHT_DATA or the cache folder.
        out: folder of the run folders.
    """

    models: tuple[str, ...]
    timesteps: int = 4
    dataset: str = "cifar10"
    split: str = "sample"
    images: int | None = 1000
    counted_images: int = 100
    batch_size: int = 100
    costs: str = "float32_45nm"
    seed: int = 42
    data: Path | None = None
    out: Path = Path("runs")

    def __post_init__(self) -> None:
        if len(set(self.models)) < max(1, len(self.models)):
            met = "no network" if not self.models else f"{', '.join(self.models)}"
            allowed = "run folders of `spikewright train --network.neurons`, each once"
            raise ArgumentError(sentence("SparsityRun.models", met, allowed))
        _ = self.judging

    @property
    def judging(self) -> Judging:
        """How each network is judged."""
        return Judging(
            split=self.split,
            images=self.images,
            timesteps=self.timesteps,
            at=(self.timesteps,),
            batch_size=self.batch_size,
            counted_images=self.counted_images,
            costs=self.costs,
        )

    def evaluation(self, model: str) -> EvaluateRun:
        """The judgement of one of the networks."""
        return EvaluateRun(model=model, dataset=self.dataset, judging=self.judging, seed=self.seed, data=self.data)


def run_sparsity(
    config: SparsityRun,
    folder: RunFolder,
    watch: Callable[[Mapping[str, Cell]], None] = lambda row: None,
    ready: Callable[[], None] = lambda: None,
) -> Report:
    """Judge every network and write the report into the run folder.

    Args:
        config: the run.
        folder: where it is written.
        watch: called with the numbers of each network, by column.
        ready: called when all networks and data are there: from then on the folder will be kept.

    Raises:
        CheckpointError: if there is no such network, or it does not spike.
        DataError: if a network was converted.
    """
    found = [_trained(reference, config.data) for reference in config.models]
    images = [
        judged_images(config.evaluation(reference), loaded) for reference, (loaded, _) in zip(config.models, found)
    ]
    ready()
    rows: list[dict[str, Cell]] = []
    for name, (_, model), judged in zip(names_of(config.models), found, images):
        seed_all(config.seed)
        rows.append({"network": name} | row_of(model, judged, config.judging))
        folder.log(**rows[-1])
        watch(rows[-1])
    report = sparsity_report(rows, config.judging, to_json(config, REGISTRIES), run_environment(config))
    folder.write(report)
    return report


def row_of(model: Spiking, images: Any, judging: Judging) -> dict[str, Cell]:
    """What a network delivers after T steps and what it does for that, by the names of `COLUMNS`."""
    measured = measure(model, None, images, judging)
    table = measured.table(neurons_in(model))
    cells = dict(zip((column.name for column in table.columns), table.rows[-1]))
    _, weights, left, _ = weights_left(model).rows[-1]
    cells |= {"neurons": cells["recipe"], "weights": weights, "not zero": left}
    return {column.name: cells[column.name] for column in COLUMNS if column.name in cells}


def names_of(models: Sequence[str]) -> tuple[str, ...]:
    """What the networks are called: the end of their paths, as long as it takes to tell them apart.

    Example:
        >>> names_of(["runs/a/model.safetensors", "runs/b/"]), names_of(["one/a", "two/a"])
        (('a', 'b'), ('one/a', 'two/a'))
    """
    paths = [Path(model) for model in models]
    ends = [(path.parent if path.name == "model.safetensors" and path.parent.name else path).parts for path in paths]
    length = 1
    while len({each[-length:] for each in ends}) < len(ends) and length < max(map(len, ends)):
        length += 1
    return tuple("/".join(each[-length:]) for each in ends)


def front_table(rows: Sequence[Mapping[str, Any]], caption: str) -> Table:
    """The networks with their place on the front, most synaptic operations last.

    Args:
        rows: numbers of each network by column.
        caption: on what they were found.
    """
    front = pareto_front([row["synops"] for row in rows], [row["accuracy"] for row in rows])
    marked = [dict(row) | {"front": on} for row, on in zip(rows, front)]
    marked.sort(key=lambda row: (row["synops"], -row["accuracy"]))
    cells = tuple(tuple(row.get(column.name) for column in COLUMNS) for row in marked)
    return Table("Sparsity", COLUMNS, cells, caption=caption)


def sparsity_report(
    rows: Sequence[Mapping[str, Cell]], judging: Judging, config: Mapping[str, Any], environment: Mapping[str, Any]
) -> Report:
    """Everything about networks side by side.

    Args:
        rows: numbers of each network by column.
        judging: how they were judged.
        config, environment: of the run.
    """
    costs = judging.cost_table
    caption = (
        f"T = {judging.timesteps}; accuracy on {judging.images or 'all'} images of the split {judging.split}; spikes, "
        f"operations and energy on the first {judging.counted_images}; cost table {judging.costs}."
    )
    table = front_table(rows, caption)
    figure = FigureSpec(
        "pareto_synops",
        "pareto",
        "Accuracy against synaptic operations per image. The line joins the networks that no other beats.",
        table.title,
        options={"cost": "synops", "front": "front", "series": ["network"]},
    )
    chance = (
        "The front is chosen by the images that are judged: of two networks whose intervals overlap, the better one "
        "may be so by chance."
    )
    return Report(
        "Accuracy against sparsity",
        summary(table),
        config,
        environment,
        (table,),
        (figure,),
        (chance, costs.note),
        tuple(filter(None, (costs.source,))),
    )


def summary(table: Table) -> str:
    """The front in words, from the fewest operations to the most."""
    rows: list[dict[str, Any]] = [dict(zip((column.name for column in table.columns), row)) for row in table.rows]
    best = [
        f"{row['network']} ({100 * row['accuracy']:.2f} %, {row['synops']:.3g} M, firing rate {row['firing rate']:.4f})"
        for row in rows
        if row["front"]
    ]
    count = f"{len(rows)} network{'s' if len(rows) > 1 else ''}"
    return f"**Front of {count}**, by accuracy and synaptic operations per image: {'; '.join(best)}."


def run_environment(config: SparsityRun) -> dict[str, Any]:
    """Versions, machine, commit, command, device and seed of a run."""
    return environment(PACKAGES) | {"device": "cpu", "seed": config.seed}


def _trained(reference: str, data: Path | None) -> tuple[Loaded, Spiking]:
    loaded, network = load_spiking(reference, data)
    if isinstance(network, Conversion):
        allowed = "networks that were trained as spiking ones"
        raise DataError(sentence("SparsityRun.models", f"{reference}, a converted network", allowed, "See `sweep`"))
    return loaded, network

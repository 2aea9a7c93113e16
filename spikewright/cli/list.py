"""spikewright list [--json]: every part that can be chosen by name, from neuron to experiment, with its source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ..attack import BUDGETS, GRADIENT_RULES, SEARCHES
from ..coding import ENCODERS, READOUTS
from ..convert.recipes import RECIPES
from ..convert.statistics import STATISTICS
from ..core.config import parse
from ..core.errors import CheckpointError
from ..core.references import source_of, summary_of
from ..core.registry import collect
from ..core.surrogate import Surrogate
from ..data import DATASETS
from ..experiments import EXPERIMENTS
from ..experiments.control_published import CONTROL_EXPERIMENTS
from ..experiments.hardening import HARDENINGS
from ..experiments.network import embedded
from ..experiments.neuron_choice import NEURON_CHOICES
from ..interpret import METHODS as ATTRIBUTIONS
from ..models import MODELS
from ..models.pretrained import describe, described
from ..neurons import NEURONS, PARALLEL_NEURONS
from ..neurons.firing import FIRINGS
from ..redteam.synthesis import SYNTHESES
from ..report import Column, Table
from ..rl import ALGORITHMS, TARGETS

OWN = {
    "Hardening": "none: whatever the others are combinations of",
    "LeakyRectangle": "none: Rectangle with a slope outside, a form of this project",
    "cifar_cnn": "none: the usual form of such networks, sized for a training of minutes",
    "SoftSign": "none: the derivative of SuperSpike, scaled to a rise of 1",
}
"""Why a part names no publication."""


@dataclass(frozen=True, kw_only=True)
class ListRun:
    """How the parts are listed.

    Args:
        json: for programs instead of as tables.
        data: folder of the data sets, whose networks are listed too; none for SPIKEWRIGHT_DATA or the cache folder.
    """

    json: bool = False
    data: Path | None = None


def catalogue(data: Path | None = None) -> list[dict[str, str]]:
    """Every part that can be chosen by name: kind, name, what it is, source; with the networks below a data folder."""
    from ..core import surrogate

    kinds = {
        "neuron": NEURONS,
        "parallel neuron": PARALLEL_NEURONS,
        "surrogate": collect(vars(surrogate), Surrogate),
        "encoder": ENCODERS,
        "readout": READOUTS,
        "recipe": RECIPES,
        "statistic": STATISTICS,
        "firing": FIRINGS,
        "search": SEARCHES,
        "gradient rule": GRADIENT_RULES,
        "budget": BUDGETS,
        "model": MODELS,
        "experiment": EXPERIMENTS,
        "hardening": HARDENINGS,
        "control experiment": CONTROL_EXPERIMENTS,
        "control algorithm": ALGORITHMS,
        "control target": TARGETS,
        "attribution": ATTRIBUTIONS,
        "synthesis": SYNTHESES,
    }
    rows = [
        {"kind": kind, "name": name, "what": summary_of(thing), "source": source_of(thing) or OWN.get(name, "")}
        for kind, registry in kinds.items()
        for name, thing in registry.items()
    ]
    for name, choice in NEURON_CHOICES.items():
        source = source_of(type(choice().build()))
        rows.append({"kind": "trainable neuron", "name": name, "what": summary_of(choice), "source": source})
    for name, module in DATASETS.items():
        rows.append(
            {
                "kind": "dataset",
                "name": name,
                "what": summary_of(module),
                "source": module.SPEC.citation,
            }
        )
    for name in embedded():
        rows.append(
            {"kind": "network", "name": name, "what": "trained by this project", "source": f"experiment {name}"}
        )
    rows += [pretrained_row(name, data) for name in described(data)]
    return rows


def pretrained_row(name: str, data: Path | None) -> dict[str, str]:
    """A network that others have trained; what is wrong with its description, if it cannot be read."""
    row = {"kind": "pretrained network", "name": name}
    try:
        given = describe(name, data)
    except CheckpointError as error:
        return row | {"what": str(error), "source": "unknown"}
    measured = (f"{100 * share:.2f} % of {images}" for images, share in given.accuracy.items())
    what = f"top-1 {', '.join(measured)}; licence: {given.licence}" if given.accuracy else f"licence: {given.licence}"
    return row | {"what": what, "source": given.source}


def main(argv: Sequence[str]) -> int:
    """Print the catalogue as a table, or as JSON for programs."""
    config = parse(ListRun, argv, {}, prog="spikewright list")
    rows = catalogue(config.data)
    if config.json:
        print(json.dumps(rows, indent=1))
        return 0
    columns, console = (Column("name"), Column("what"), Column("source")), Console()
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = tuple((row["name"], row["what"], row["source"]) for row in rows if row["kind"] == kind)
        table = Table(f"{kind}s", columns, of_kind).to_rich()
        table.columns[0].no_wrap = True
        console.print(table)
    return 0

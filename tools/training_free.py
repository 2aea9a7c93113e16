"""Write docs/training_free.md: every neuron, coding and threshold on networks of others, from the sweeps' reports."""

from __future__ import annotations

import sys

from page import ROOT, write_or_check
from results import FIRING, NETWORKS, network_of

from spikewright.core.config import from_json
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.sweep import SweepRun
from spikewright.experiments.sweep_report import recipe_text
from spikewright.report import Report

FOLDER = ROOT / "benchmarks" / "results" / "training_free"
PAGE = ROOT / "docs" / "training_free.md"
WITHIN = 0.5
"""Points below the source network that count as equal."""
HEAD = f"""# Training-free conversion of networks that others trained

Written by `make docs` from the reports in `benchmarks/results/training_free/`, one per network, each a sweep with the
recipes of `benchmarks/training_free.json` and the command below its table; do not edit. Nothing is trained.

Neurons: IF fires its threshold; MT n=4 one of four powers of two times it; H-MT n=4 a sum of such powers in one step
([H-MT](methods/hmt.md)), in differential coding with `dead_zone=0.75`. Coding: `rate` sends the value again at every
step, `differential` what changed ([DCGS](methods/dcgs.md)); its neurons may take spikes back. Thresholds are shared by
a channel: the 99.9th percentile, or the least error at T = 4 of a Gaussian activation (optimised).

The **first T** is the least of those shown from which on accuracy stays within {WITHIN} points of the source network's
on the same images. Energy is that of the spiking network over the source network's (45 nm, arithmetic; [how it is
counted](energy.md)), an output counted as one event; in brackets with every binary spike counted, where a neuron fires
several in one step.
"""


def section(report: Report) -> str:
    """One network: accuracy at every T that is shown, where it is within reach of the source, and energy at T = 4."""
    name = network_of(report)
    dataset, network, _ = NETWORKS[name]
    table = next(table for table in report.tables if table.title == "Sweep")
    rows = [dict(zip((column.name for column in table.columns), row)) for row in table.rows]
    source, labels = rows[0], _labels(report)
    times = sorted({row["T"] for row in rows[1:]})
    lines = [
        f"| neuron | coding | thresholds | {' | '.join(f'T={t}' for t in times)} | first T | energy at T=4 |",
        f"| --- | --- | --- |{' ---: |' * (len(times) + 2)}",
    ]
    for key in dict.fromkeys((row["recipe"], row["threshold"]) for row in rows[1:]):
        own = {row["T"]: row for row in rows if (row["recipe"], row["threshold"]) == key}
        accuracy = [f"{100 * own[t]['accuracy']:.1f}" for t in times]
        least = source["accuracy"] - WITHIN / 100 - 1e-9
        reached = [t for t in times if all(own[u]["accuracy"] >= least for u in own if u >= t)]
        bits = own[4].get("ratio per bit")
        energy = f"{own[4]['ratio']:.2f}" + ("" if bits is None else f" ({bits:.2f})")
        threshold = "99.9 %" if key[1].startswith("Percentile") else "optimised"
        first = str(reached[0]) if reached else "–"
        lines.append(f"| {' | '.join((*labels[key[0]], threshold, *accuracy, first, energy))} |")
    images = table.caption.split(";")[0]
    commit = str(report.environment.get("commit"))[:8]
    return (
        f"## {dataset}, {network}\n\n`{name}`, {images}, source network {100 * source['accuracy']:.1f} %; commit "
        f"{commit}, seed {report.config['seed']}, {report.environment['cpu']}.\n\n" + "\n".join(lines) + "\n\n"
        f"`{' '.join(report.environment['command'])}`\n"
    )


def _labels(report: Report) -> dict[str, tuple[str, str]]:
    """The sweep's name of a recipe -> neuron and coding."""
    recipes = from_json(SweepRun, dict(report.config), REGISTRIES).recipes
    found = {}
    for recipe in recipes:
        number = getattr(recipe.firing, "thresholds", None)
        neuron = FIRING[type(recipe.firing).__name__] + (f" n={number}" if number else "")
        found[recipe_text(recipe)] = (neuron, recipe.coding.name)
    return found


def sweeps() -> list[Report]:
    """The sweeps, in the order of the networks."""
    found = [Report.from_json(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")]
    order = list(NETWORKS)
    return sorted(found, key=lambda report: order.index(network_of(report)))


def main() -> int:
    """Bring the page up to date, or only compare it."""
    return write_or_check(PAGE, "\n".join((HEAD, *map(section, sweeps()))), "make docs")


if __name__ == "__main__":
    sys.exit(main())

"""Runs of `spikewright redteam` as one result: implanted trojans, maps, judged galleries, and what changes them.

python benchmarks/red_team.py runs/2026-...-redteam runs/2026-...-redteam ...

The first run is the whole benchmark; the others change one thing each. Reports are read, nothing is run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from run import HERE, say, store

from spikewright.experiments.red_team_judging import TOGETHER
from spikewright.redteam.judge import bootstrap
from spikewright.report import Report, RunFolder, Table
from spikewright.report.environment import environment
from spikewright.report.table import Column

CASE = "red-team"
TOLD = (
    "model",
    "recipe",
    "timesteps",
    "prune",
    "trojans",
    "rate",
    "source_rate",
    "pictures",
    "train_images",
    "hardening",
    "seed",
)
"""Settings that tell runs apart."""
SAME_NETWORKS = "prune", "timesteps"
"""Settings that ask the same networks another way."""
FIGURES = HERE.parent / "docs/figures"
WHOLE = (
    "Implanted trojans", "Success of the trojans", "Attribution", "Judged galleries (", "Is a trojan easier",
    "Questions not asked", "Time and variety",
)  # fmt: skip
"""Titles of the first run's tables that are shown, by their beginning."""

Result = dict[str, Any]


def read(folder: Path) -> Result:
    """What a run says, without its pictures."""
    report = RunFolder.open(folder).report()
    settings = {name: report.config.get(name) for name in TOLD}
    return {
        "settings": settings, "environment": dict(report.environment), "summary": report.summary,
        "tables": [table.to_dict() for table in report.tables],
    }  # fmt: skip


def tables(run: Result, beginnings: Iterable[str] = WHOLE) -> list[Table]:
    """The tables of a run whose titles begin so, in the order of the beginnings."""
    found = [Table.from_dict(each) for each in run["tables"]]
    return [table for start in beginnings for table in found if table.title.startswith(start)]


def changed(run: Result, first: Result) -> str:
    """What a run changes, in words."""
    before = first["settings"]
    said = [f"{name} {_short(value)}" for name, value in run["settings"].items() if value != before.get(name)]
    return ", ".join(said) or "nothing"


def _short(value: Any) -> str:
    return "all" if value is None else str(value.get("type", value)) if isinstance(value, dict) else str(value)


def gains(run: Result, network: str) -> dict[tuple[str, str, str], float]:
    """1 / rank less that of the twin, by judge, method and trojan."""
    found = {}
    for table in tables(run, (f"Judged galleries by trojan ({network}",)):
        columns = [table.column(name) for name in ("judge", "method", "trojan", "MRR", "MRR of the twin")]
        for judge, method, trojan, own, twin in zip(*columns):
            found[str(judge), str(method), str(trojan)] = float(own) - float(twin)
    return found


def differences(own: dict[tuple[str, str, str], float], other: dict[tuple[str, str, str], float]) -> list[float]:
    """The first less the second, paired, a mean over methods for each trojan: methods see the same fault."""
    by_trojan: dict[str, list[float]] = {}
    for key in own:
        if key in other:
            by_trojan.setdefault(key[2], []).append(own[key] - other[key])
    return [fmean(each) for each in by_trojan.values()]


def of_judge(found: dict[tuple[str, str, str], float], judge: str) -> dict[tuple[str, str, str], float]:
    """Those by one judge, without what all methods show together."""
    return {key: gain for key, gain in found.items() if key[0] == judge and key[1] != TOGETHER}


def changes(result: Result) -> Table:
    """A row for each run, network and judge: trojans that work, and the gain beside that of the first run."""
    rows = []
    first = result["runs"][0]
    for run in result["runs"]:
        for network in ("ordinary", "spiking"):
            own, before = gains(run, network), gains(first, network)
            if not own:
                continue
            implanted = next(t for t in tables(run, ("Implanted trojans",)) if network in t.title)
            works = sum(not why for why in implanted.column("left out"))
            success = fmean(float(value) for value in implanted.column("success"))
            for judge in dict.fromkeys(key[0] for key in own):
                mine, theirs = of_judge(own, judge), of_judge(before, judge)
                both = {key for key in mine if key in theirs}
                more = differences(mine, theirs)
                row = (changed(run, first), network, success, works, judge, len({key[1] for key in both}), len(more))
                if run is first or not more:
                    rows.append((*row, fmean(mine.values()), None, None, None, None))
                    continue
                ends = bootstrap(more, seed=0)
                means = fmean(mine[key] for key in both), fmean(theirs[key] for key in both)
                rows.append((*row, *means, fmean(more), *ends))
    columns = (
        Column("what is changed"), Column("network"), Column("success", "%", 1, "Mean over all twelve trojans."),
        Column("trojans that work"), Column("judge"), Column("methods", "", 0, "That both runs have."),
        Column("trojans", "", 0, "That work in both runs."), Column("gain", "", 3, "Mean 1 / rank of the true trigger, "
        "less that of the twin: by methods and trojans that both runs have."),
        Column("gain before", "", 3, "The same in the first run."), Column("difference", "", 3),
        Column("low", "", 3, "Ends of the 95 % interval, trojans drawn again."), Column("high", "", 3),
    )  # fmt: skip
    return Table("What changes how well a trojan is found", columns, tuple(rows))


def spiking_or_not(result: Result) -> Table:
    """Whether trojans are easier to find in the spiking network, run by run and over those of networks of their own."""
    rows, pooled = [], {}
    for run in result["runs"]:
        ordinary, spiking = (gains(run, network) for network in ("ordinary", "spiking"))
        for judge in dict.fromkeys(key[0] for key in ordinary if spiking):
            more = differences(of_judge(spiking, judge), of_judge(ordinary, judge))
            if all(run["settings"][name] == result["runs"][0]["settings"][name] for name in SAME_NETWORKS):
                pooled.setdefault(judge, []).extend(more)
            rows.append((changed(run, result["runs"][0]), judge, len(more), fmean(more), *bootstrap(more, seed=0)))
    for judge, more in pooled.items():
        rows.append(("all networks that were trained apart", judge, len(more), fmean(more), *bootstrap(more, seed=0)))
    columns = (
        Column("run"), Column("judge"), Column("trojans"),
        Column("difference", "", 3, "Gain in the spiking network less that in the ordinary one, mean over methods."),
        Column("low", "", 3, "Ends of the 95 % interval, trojans drawn again."), Column("high", "", 3),
    )  # fmt: skip
    return Table("Is a trojan easier to find in the spiking network? All methods and runs", columns, tuple(rows))


def maps(result: Result) -> Table:
    """Correlation of every map with the patch's place, a column for each network of each run that has maps."""
    columns, found, first = [Column("method")], [], result["runs"][0]
    for run in result["runs"]:
        for table in tables(run, ("Attribution against",)):
            network = "spiking" if "spiking" in table.title else "ordinary"
            name = network if run is first else f"{network}, {changed(run, first)}"
            columns.append(Column(name, "", 2))
            found.append(dict(zip(table.column("method"), table.column("correlation"))))
    rows = tuple((method, *(each.get(method) for each in found)) for method in found[0])
    note = "Median over pictures with a patch, signed maps; a dash where a method does not apply or has no correlation."
    return Table("Do maps show the patch?", tuple(columns), rows, note)


def implanted_anew(result: Result) -> list[Table]:
    """What the trojans do in networks that were trained apart from those of the first run."""
    first, made = result["runs"][0], []
    for run in result["runs"][1:]:
        if all(run["settings"][name] == first["settings"][name] for name in SAME_NETWORKS):
            found = tables(run, ("Implanted trojans", "Accuracy under attack"))
            made += [replace(table, title=f"{table.title}: {changed(run, first)}") for table in found]
    return made


def words(result: Result) -> str:
    """What was measured."""
    first = result["runs"][0]["settings"]
    return (
        f"`{first['model']}`, CIFAR-10, {first['train_images']:,} training pictures; "
        f"{first['pictures']} pictures in a gallery; the spiking network by {_short(first['recipe'])} at "
        f"T = {first['timesteps']}. Small-scale results: triggers of ten pixels, drawn; networks and judges stand for "
        "ResNet-50 and people of the published work, whose numbers cannot be compared. The clean accuracy of the first "
        "run is that of all pictures, of later ones that of pictures without a natural feature. Accuracy of a "
        "spiking network under attack is an upper bound: the attack follows its surrogate gradient."
    )


SHOWN = "gallery-berry", "gallery-smiley", "gallery-rosettes"
"""Gallery pages that are written as pictures."""


def draw(report: Report, folder: Path, before: str = "") -> list[str]:
    """Write some gallery pages as pictures; their names, with what stands before them."""
    made = []
    for figure in report.figures:
        if figure.name in SHOWN:
            figure.draw(report.tables).savefig(folder / f"red-team-{before}{figure.name}.png", dpi=90)
            made.append(before + figure.name)
    return made


def drawn(folders: Iterable[Path]) -> list[str]:
    """Pictures of the first run, and of those that train against attacks."""
    reports = [RunFolder.open(folder).report() for folder in folders]
    made = draw(reports[0], FIGURES)
    for report in reports[1:]:
        made += draw(report, FIGURES, "hardened-") if report.config.get("hardening") else []
    return made


def main() -> int:
    """Read the runs and store the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    options = parser.parse_args()
    made_of = environment(("torch", "numpy", "captum", "spikewright"), source=Path(__file__))
    result = {
        "case": CASE,
        "what": "Trojans that tools look for, in an ordinary and a spiking network",
        "environment": made_of,
        "device": {"kind": "cpu", "threads": 1},
        "load": os.getloadavg(),
        "runs": [read(folder) for folder in options.runs],
        "figures": drawn(options.runs),
    }
    say(str(store(result, options.results / CASE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

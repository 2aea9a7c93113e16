"""Runs of `spikewright redteam` as one result: implanted trojans, maps, judged galleries, and what changes them.

python benchmarks/red_team.py runs/2026-...-redteam runs/2026-...-redteam ...

The first run is the whole benchmark; the others change one thing each. Reports are read, nothing is run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from run import HERE, say, store

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
)
"""Settings that tell runs apart."""
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
    said = [f"{name} {_short(value)}" for name, value in run["settings"].items() if value != first["settings"][name]]
    return ", ".join(said) or "nothing"


def _short(value: Any) -> str:
    return str(value.get("type", value)) if isinstance(value, dict) else str(value)


def changes(result: Result) -> Table:
    """A row for each run, network and judge: trojans that work, and mean gains of all methods over the twin."""
    rows = []
    first = result["runs"][0]
    asked = [set(table.column("method")) for run in result["runs"] for table in tables(run, ("Judged galleries (",))]
    common = set.intersection(*asked)
    for run in result["runs"]:
        for table in tables(run, ("Judged galleries (",)):
            name = "spiking" if "spiking" in table.title else "ordinary"
            implanted = next(t for t in tables(run, ("Implanted trojans",)) if name in t.title)
            works = sum(not why for why in implanted.column("left out"))
            success = fmean(float(value) for value in implanted.column("success"))
            judges = table.column("judge")
            for judge in dict.fromkeys(judges):
                methods = table.column("method")
                places = [at for at, each in enumerate(judges) if each == judge and methods[at] in common]
                gains, ranks, twins = (
                    [float(table.column(what)[at]) for at in places] for what in ("gain", "rank", "rank of the twin")
                )
                rows.append((
                    changed(run, first), name, success, works, len(implanted.rows), judge, len(places), fmean(ranks),
                    fmean(twins), fmean(gains), max(gains), table.column("method")[places[gains.index(max(gains))]],
                ))  # fmt: skip
    columns = (
        Column("what is changed"), Column("network"), Column("success", "%", 1, "mean over all trojans"),
        Column("trojans that work"), Column("of"), Column("judge"), Column("methods"),
        Column("rank", "", 2, "of the true trigger among eight, mean over methods and trojans"),
        Column("rank of the twin", "", 2), Column("gain", "", 3, "mean 1 / rank less that of the twin"),
        Column("largest gain", "", 3, "over methods, and so too high by chance"), Column("of the method"),
    )  # fmt: skip
    caption = (
        f"By what all runs have: {', '.join(sorted(map(str, common)))}. Trojans that work differ between the runs."
    )
    return Table("What changes how well a trojan is found", columns, tuple(rows), caption)


def words(result: Result) -> str:
    """What was measured."""
    first = result["runs"][0]["settings"]
    return (
        f"`{first['model']}`, CIFAR-10, {first['train_images']:,} training pictures; "
        f"{first['pictures']} pictures in a gallery, one seed; the spiking network by {_short(first['recipe'])} at "
        f"T = {first['timesteps']}. Small-scale results: triggers of ten pixels, drawn; networks and judges stand for "
        "ResNet-50 and people of the published work, whose numbers cannot be compared."
    )


def draw(
    report: Report, folder: Path, names: Iterable[str] = ("gallery-berry", "gallery-smiley", "gallery-rosettes")
) -> list[str]:
    """Write some gallery pages as pictures; their names."""
    made = []
    for figure in report.figures:
        if figure.name in names:
            figure.draw(report.tables).savefig(folder / f"red-team-{figure.name}.png", dpi=90)
            made.append(figure.name)
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
        "figures": draw(RunFolder.open(options.runs[0]).report(), FIGURES),
    }
    say(str(store(result, options.results / CASE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

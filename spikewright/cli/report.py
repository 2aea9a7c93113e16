"""spikewright report FOLDER...: draw a run's report again from its numbers, or set several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.config import parse
from ..core.errors import ConfigError
from ..experiments.comparison import compare_runs
from ..experiments.training import PACKAGES
from ..report import RunFolder, environment
from .show import show


@dataclass(frozen=True, kw_only=True)
class ReportRun:
    """What is drawn.

    Args:
        out: folder of the run folders, for a comparison.
    """

    out: Path = Path("runs")


def main(argv: Sequence[str]) -> int:
    """One folder: redraw report.md, report.html and figures. Several: a run folder that compares them."""
    rest = list(argv)
    folders: list[str] = []
    while rest and not rest[0].startswith("-"):
        folders.append(rest.pop(0))
    config = parse(ReportRun, rest, {}, prog="spikewright report FOLDER [FOLDER ...]")
    if not folders:
        raise ConfigError("got no run folder; expected one to draw again, or several to compare.")
    if len(folders) == 1:
        folder = RunFolder.open(folders[0])
        folder.redraw()
        print(f"Drawn again: {folder.path / 'report.html'}")
        return 0
    runs = [RunFolder.open(name) for name in folders]
    report = compare_runs([(run.path.name, run.report()) for run in runs], environment(PACKAGES))
    folder = RunFolder.create(
        config.out, "comparison", {"runs": [run.path.name for run in runs]}, environment(PACKAGES)
    )
    folder.write(report)
    show(report, folder)
    return 0

"""spikewright report FOLDER...: draw a run's report again from its numbers, or set several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.config import parse
from ..core.errors import ConfigError
from ..experiments.comparison import compare_runs
from ..experiments.control_comparison import compare_controls, is_control
from ..experiments.training import PACKAGES
from ..report import Report, RunFolder, environment
from .show import LEFT_TO_THE_REPORT, show


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
    runs = _named([RunFolder.open(name) for name in folders])
    control = any(is_control(report) for _, report in runs)
    report = (compare_controls if control else compare_runs)(runs, environment(PACKAGES))
    folder = RunFolder.create(config.out, "comparison", {"runs": [name for name, _ in runs]}, environment(PACKAGES))
    folder.write(report)
    show(report, folder, left=("low", "high", "energy") if control else LEFT_TO_THE_REPORT)
    return 0


def _named(runs: Sequence[RunFolder]) -> list[tuple[str, Report]]:
    """Reports by the names of their folders; by the whole path where two have one name."""
    places, names = [run.path.resolve() for run in runs], [run.path.name for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"got {place.name} twice; expected each run folder once.")
    return [(name if names.count(name) == 1 else str(run.path), run.report()) for name, run in zip(names, runs)]

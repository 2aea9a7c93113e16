"""spikewright sweep: one network by many recipes and thresholds, and which is best for its latency and energy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..core.errors import ConfigError, sentence
from ..experiments.registries import REGISTRIES
from ..experiments.sweep import SweepRun, run_sweep
from ..experiments.sweep_report import Outcome
from ..report import RunFolder
from .show import LEFT_TO_THE_REPORT, show, tell_folder
from .start import config_file, read_config, take

ALSO = (
    "Lists are given as names, --recipes QCFS,COS; members with settings of their own stand in the FILE, "
    '{"thresholds": [{"type": "Percentile", "percentile": 99}, "Maximum"]}. '
    "--resume FOLDER, alone, goes on with a sweep that was stopped."
)


LEFT_HERE = ("pipeline", "agreement", "synops", "synops per bit", "ratio per bit", "latency front", "energy front")
"""Columns that are left to the report too; the summary names the rows of the fronts that matter."""


def main(argv: Sequence[str]) -> int:
    """Convert and judge at every point, print a line for each, the table, and where the report is."""
    resumed, rest = take(argv, "--resume")
    if resumed is not None:
        if rest:
            todo = "The config of the folder is used"
            raise ConfigError(sentence("--resume", f"{rest[0]} too", "no other flag", todo))
        folder = RunFolder.open(resumed)
        return sweep(config_file(folder.path / "config.json", SweepRun), folder)
    config = read_config(argv, SweepRun(), "sweep", also=ALSO)
    with RunFolder.begin(config.out, "sweep", to_json(config, REGISTRIES), config.environment) as folder:
        return sweep(config, folder)


def sweep(config: SweepRun, folder: RunFolder) -> int:
    """Sweep in a new folder, or in that of a sweep that was stopped."""
    report = run_sweep(config, folder, tell, partial(tell_folder, folder))
    show(report, folder, left=(*LEFT_TO_THE_REPORT, *LEFT_HERE))
    return 0


def tell(number: int, total: int, outcome: Outcome, known: bool) -> None:
    """One line for every finished point."""
    if outcome.table is None:
        text = f"not converted: {outcome.failure}"
    else:
        steps, accuracies = outcome.table.column("T"), outcome.table.column("accuracy")
        text = f"{100 * float(accuracies[-1] or 0):.2f} % at T = {steps[-1]}"
    took = "there already" if known else f"{outcome.seconds:.0f} s"
    print(f"{number}/{total} {outcome.text}: {text} ({took})", flush=True)

"""spikewright evaluate: judge a network that was converted earlier, or trained as a spiking one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.conversion import EvaluateRun, run_environment, run_evaluation
from ..experiments.registries import REGISTRIES
from ..experiments.shared_run import begun_run
from ..train.launch import launched
from .processes import first_speaks
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Judge, print the tables and where the report is."""
    if argv and not argv[0].startswith("-"):
        argv = ["--model", *argv]
    config = read_config(argv, EvaluateRun, "evaluate")
    about = run_environment(config)
    with (
        launched("cpu") as fabric,
        first_speaks(fabric),
        begun_run(fabric, config.out, "evaluate", to_json(config, REGISTRIES), about) as folder,
    ):
        report = run_evaluation(config, folder, partial(tell_folder, folder), fabric)
        show(report, folder)
    return 0

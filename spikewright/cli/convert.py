"""spikewright convert: a trained network becomes a spiking one and is judged at every time step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.conversion import ConvertRun, run_conversion, run_environment
from ..experiments.registries import REGISTRIES
from ..experiments.shared_run import begun_run
from ..train.launch import launched
from .processes import first_speaks
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Convert, judge, print the tables and where the report is."""
    config = read_config(argv, ConvertRun(), "convert")
    about = run_environment(config)
    with (
        launched("cpu") as fabric,
        first_speaks(fabric),
        begun_run(fabric, config.out, "convert", to_json(config, REGISTRIES), about) as folder,
    ):
        report = run_conversion(config, folder, partial(tell_folder, folder), fabric)
        show(report, folder)
    return 0

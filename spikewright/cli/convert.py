"""spikewright convert: a trained network becomes a spiking one and is judged at every time step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.conversion import ConvertRun, run_conversion, run_environment
from ..experiments.registries import REGISTRIES
from ..report import RunFolder
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Convert, judge, print the tables and where the report is."""
    config = read_config(argv, ConvertRun(), "convert")
    with RunFolder.begin(config.out, "convert", to_json(config, REGISTRIES), run_environment(config)) as folder:
        show(run_conversion(config, folder, partial(tell_folder, folder)), folder)
    return 0

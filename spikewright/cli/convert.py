"""spikewright convert: a trained network becomes a spiking one and is judged at every time step."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.config import to_json
from ..experiments.conversion import ConvertRun, run_conversion, run_environment
from ..experiments.registries import REGISTRIES
from ..report import RunFolder
from .show import show
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Convert, judge, print the tables and where the report is."""
    config = read_config(argv, ConvertRun(), "convert")
    with RunFolder.begin(config.out, "convert", to_json(config, REGISTRIES), run_environment(config)) as folder:
        print(f"Run folder: {folder.path}", flush=True)
        show(run_conversion(config, folder), folder)
    return 0

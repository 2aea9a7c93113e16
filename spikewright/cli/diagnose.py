"""spikewright diagnose: source and spiking network layer by layer, and the first layer that goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.conversion import ConvertRun, run_diagnosis, run_environment
from ..experiments.registries import REGISTRIES
from ..report import RunFolder
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Compare, print the table and the verdict, and write the report."""
    config = read_config(argv, ConvertRun(), "diagnose")
    with RunFolder.begin(config.out, "diagnose", to_json(config, REGISTRIES), run_environment(config)) as folder:
        show(run_diagnosis(config, folder, partial(tell_folder, folder)), folder)
    return 0

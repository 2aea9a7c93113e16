"""spikewright interpret: what each pixel of some images did for the answers of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.interpreting import InterpretRun, run_environment, run_interpretation
from ..experiments.registries import REGISTRIES
from ..interpret import Map
from ..report import RunFolder
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Attribute, print a line for each method, the table, and where the report is."""
    if argv and not argv[0].startswith("-"):
        argv = ["--model", *argv]
    config = read_config(argv, InterpretRun(), "interpret")
    with RunFolder.begin(config.out, "interpret", to_json(config, REGISTRIES), run_environment(config)) as folder:
        report = run_interpretation(config, folder, tell, partial(tell_folder, folder))
        show(report, folder)
    return 0


def tell(name: str, found: Map) -> None:
    """One line for every method."""
    what = f"{found.seconds:.1f} s" if found.status == "ok" else f"{found.status}, {found.reason}"
    print(f"{name}: {what}", flush=True)

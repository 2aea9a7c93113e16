"""spikewright attack: a spiking network under many attacks, what withstands them all, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.attacking import AttackRun, run_attacks, run_environment
from ..experiments.registries import REGISTRIES
from ..report import RunFolder
from ..robust.worst_case import Outcome
from .show import show, tell_folder
from .start import read_config


def main(argv: Sequence[str]) -> int:
    """Attack, print a line for each attack, the table, and where the report is."""
    if argv and not argv[0].startswith("-"):
        argv = ["--model", *argv]
    config = read_config(argv, AttackRun(), "attack")
    with RunFolder.begin(config.out, "attack", to_json(config, REGISTRIES), run_environment(config)) as folder:
        report = run_attacks(config, folder, tell, partial(tell_folder, folder))
        show(report, folder)
    return 0


def tell(outcome: Outcome) -> None:
    """One line for every attack."""
    print(f"{outcome.attack.name}: {100 * outcome.accuracy:.1f} % left, {outcome.seconds:.1f} s", flush=True)

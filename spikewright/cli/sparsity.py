"""spikewright sparsity: networks trained as spiking ones side by side, accuracy against synaptic operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ..core.config import to_json
from ..experiments.registries import REGISTRIES
from ..experiments.sparsity_front import SparsityRun, run_environment, run_sparsity
from ..report import RunFolder
from ..report.numbers import Cell
from .show import LEFT_TO_THE_REPORT, show, tell_folder
from .start import read_config

LEFT_HERE = ("neurons", "T", "weights")
"""Columns that are left to the report too."""


def main(argv: Sequence[str]) -> int:
    """Judge every network, print a line for each, the table, and where the report is."""
    config = read_config(_joined(argv), SparsityRun, "sparsity", also="Networks are given one after another.")
    with RunFolder.begin(config.out, "sparsity", to_json(config, REGISTRIES), run_environment(config)) as folder:
        report = run_sparsity(config, folder, tell, partial(tell_folder, folder))
        show(report, folder, left=(*LEFT_TO_THE_REPORT, *LEFT_HERE))
    return 0


def tell(row: Mapping[str, Cell]) -> None:
    """One line for every judged network."""
    accuracy, synops = float(row["accuracy"] or 0), float(row["synops"] or 0)
    print(f"{row['network']}: {100 * accuracy:.2f} %, {synops:.3g} M synaptic operations per image", flush=True)


def _joined(argv: Sequence[str]) -> list[str]:
    """The words with those that name networks, behind `--models` or before any flag, as one list."""
    words, models, rest = list(argv), [], []
    naming = True
    for word in words:
        if word.startswith("--"):
            naming = word == "--models"
            rest += [] if naming else [word]
        elif naming:
            models.append(word)
        else:
            rest.append(word)
            naming = False
    return [*(["--models", ",".join(models)] if models else []), *rest]

"""spikewright train: train a source network, or go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..core.config import to_json
from ..experiments import EXPERIMENTS
from ..experiments.registries import REGISTRIES
from ..experiments.training import PACKAGES, TrainRun, run_training
from ..report import RunFolder, environment
from .start import config_file, read_config, take


def main(argv: Sequence[str]) -> int:
    """Train, and print where the result is."""
    resumed, rest = take(argv, "--resume")
    if resumed is None:
        config = read_config(rest, TrainRun(), "train", EXPERIMENTS)
        folder = RunFolder.create(
            config.out,
            config.name,
            to_json(config, REGISTRIES),
            environment(PACKAGES) | {"seed": config.fit.seed},
        )
    else:
        folder = RunFolder.open(resumed)
        start = config_file(Path(resumed) / "config.json", TrainRun)
        config = read_config(rest, start, "train")
    console = Console()
    console.print(f"Run folder: {folder.path}")
    report = run_training(config, folder)
    if report is None:
        console.print(f"Time is up. Go on with: spikewright train --resume {folder.path}")
    else:
        console.print(report.summary.replace("**", ""))
        console.print(f"Weights: {folder.path / 'model.safetensors'}   Report: {folder.path / 'report.html'}")
    return 0

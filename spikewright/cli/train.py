"""spikewright train: train a source network, or go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.status import Status

from ..core.config import to_json
from ..experiments import EXPERIMENTS
from ..experiments.registries import REGISTRIES
from ..experiments.training import PACKAGES, TrainRun, run_training
from ..report import RunFolder, environment
from .show import say
from .start import config_file, read_config, take

RESUME = "--resume FOLDER goes on with a run that was stopped; its config is used."


def main(argv: Sequence[str]) -> int:
    """Train, and print where the result is."""
    resumed, rest = take(argv, "--resume")
    if resumed is not None:
        folder = RunFolder.open(resumed)
        return train(read_config(rest, config_file(folder.path / "config.json", TrainRun), "train"), folder)
    config = read_config(rest, TrainRun(), "train", EXPERIMENTS, RESUME)
    about = environment(PACKAGES) | {"seed": config.fit.seed}
    with RunFolder.begin(config.out, config.name, to_json(config, REGISTRIES), about) as folder:
        return train(config, folder)


def train(config: TrainRun, folder: RunFolder) -> int:
    """Train in a new folder, or in that of a run that was stopped."""
    print(f"Run folder: {folder.path}", flush=True)
    console = Console()
    with console.status("loading data") as status:
        report = run_training(config, folder, lambda **numbers: tell(console, status, config.fit.epochs, numbers))
    if report is None:
        print(f"Time is up. Go on with: spikewright train --resume {folder.path}")
        return 0
    say(console, report.summary)
    print(f"Weights: {folder.path / 'model.safetensors'}")
    print(f"Report: {folder.path / 'report.html'}")
    return 0


def tell(console: Console, status: Status, epochs: int, numbers: dict[str, float]) -> None:
    """One line for every finished epoch; in between, on a terminal, a status that is written over."""
    shown = ", ".join(
        f"{name.replace('_', ' ')} {100 * value:.2f} %" if "accuracy" in name else f"{name} {value:.4g}"
        for name, value in numbers.items()
        if name not in ("epoch", "batch")
    )
    if "batch" in numbers:
        status.update(f"epoch {numbers['epoch'] + 1:g}/{epochs}, batch {numbers['batch']:g}: {shown}")
    else:
        say(console, f"epoch {numbers['epoch']:g}/{epochs}: {shown}")

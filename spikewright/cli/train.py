"""spikewright train: train a source network, or go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status

from ..core.config import to_json
from ..experiments import EXPERIMENTS
from ..experiments.registries import REGISTRIES
from ..experiments.shared_run import begun_run
from ..experiments.training import PACKAGES, TrainRun, run_training
from ..report import RunFolder, environment
from ..train.launch import launched
from .processes import first_speaks
from .show import laid_out, say
from .start import check_same_run, config_file, read_config, take

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ..train.memory import MemoryEstimate

DRY_RUN = "--dry_run"
ALSO = (
    "--resume FOLDER goes on with a run that was stopped; its config is used, and flags may only change the machine "
    "and the time. --dry_run shows what a training step will hold in memory, and stops."
)
OF_THE_MACHINE = ("device", "precision", "memory_format", "threads", "minutes", "data", "out")
"""What may be another one when a run is gone on with; its checkpoint says itself what it takes of `fit`."""


def main(argv: Sequence[str]) -> int:
    """Train, and print where the result is."""
    return run_verb(argv, "train", TrainRun())


def run_verb(
    argv: Sequence[str], verb: str, default: TrainRun, check: Callable[[TrainRun], None] = lambda config: None
) -> int:
    """Train as the words behind a verb say.

    Args:
        argv: the words.
        verb: its name.
        default: the config where no experiment or file is named.
        check: refuses a config that the verb is not for.
    """
    if DRY_RUN in argv:
        config = read_config([word for word in argv if word != DRY_RUN], default, verb, EXPERIMENTS, ALSO)
        check(config)
        return try_out(config)
    resumed, rest = take(argv, "--resume")
    if resumed is not None:
        folder = RunFolder.open(resumed)
        begun = config_file(folder.path / "config.json", TrainRun)
        config = read_config(rest, begun, verb)
        check_same_run(begun, config, (*OF_THE_MACHINE, "fit"))
        with launched(config.device, config.precision) as fabric, first_speaks(fabric):
            return train(config, folder, fabric, verb)
    config = read_config(rest, default, verb, EXPERIMENTS, ALSO)
    check(config)
    about = environment(PACKAGES) | {"seed": config.fit.seed}
    with (
        launched(config.device, config.precision) as fabric,
        first_speaks(fabric),
        begun_run(fabric, config.out, config.name, to_json(config, REGISTRIES), about) as folder,
    ):
        return train(config, folder, fabric, verb)


def train(config: TrainRun, folder: RunFolder, fabric: Fabric, verb: str) -> int:
    """Train in a new folder, or in that of a run that was stopped."""
    print(f"Run folder: {folder.path}", flush=True)
    console = Console()
    with console.status("loading data") as status:
        watch = partial(tell, console, status, config.fit.epochs)
        report = run_training(config, folder, watch, fabric, partial(tell_memory, console))
    if report is None:
        print(f"Time is up. Go on with: spikewright {verb} --resume {folder.path}")
        return 0
    say(console, report.summary)
    print(f"Weights: {folder.path / 'model.safetensors'}")
    print(f"Report: {folder.path / 'report.html'}")
    return 0


def try_out(config: TrainRun) -> int:
    """Build everything, show what a training step will hold in memory, layer by layer, and leave nothing behind."""
    console = Console()

    def show(estimate: MemoryEstimate) -> bool:
        console.print(laid_out(estimate.table(), console.width))
        say(console, estimate.summary())
        return False

    with (
        launched(config.device, config.precision) as fabric,
        first_speaks(fabric),
        TemporaryDirectory() as place,
    ):
        run_training(config, RunFolder(Path(place)), fabric=fabric, begin=show)
    return 0


def tell_memory(console: Console, estimate: MemoryEstimate) -> bool:
    """Say what a training step will hold, and let the training begin."""
    say(console, estimate.summary())
    return True


def tell(console: Console, status: Status, epochs: int, **numbers: float) -> None:
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

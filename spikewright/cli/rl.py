"""spikewright rl: train actors on tasks of control over several seeds, go on with that, play them, convert them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..core.config import to_json
from ..experiments.control import PACKAGES, ControlRun, check_control, check_same_control, run_control
from ..experiments.control_conversion import ConvertActorRun, run_convert_actor
from ..experiments.control_jobs import Job
from ..experiments.control_published import CONTROL_EXPERIMENTS
from ..experiments.filming import check_video
from ..experiments.playing import PlayRun, run_play
from ..experiments.registries import REGISTRIES
from ..report import Report, RunFolder, environment
from .show import show, tell_folder
from .start import config_file, read_config, take

ALSO = (
    "--resume FOLDER goes on with a run that was stopped; flags may then change the machine, the time, the seeds, and "
    "how long and how often. --evaluate FILE plays episodes with a trained actor, --convert FILE makes an ordinary one "
    "spiking and plays it after every number of steps; with --help each shows its flags."
)

LEFT = ("method", "seeds")
"""Columns that are left to the report: the summary says it too."""


def main(argv: Sequence[str]) -> int:
    """Train or play, print a line for each judgement, the table, and where the report is."""
    played, rest = take(argv, "--evaluate")
    if played is not None:
        return play(["--actor", played, *rest])
    converted, rest = take(argv, "--convert")
    if converted is not None:
        return convert(["--actor", converted, *rest])
    resumed, rest = take(argv, "--resume")
    if resumed is not None:
        folder = RunFolder.open(resumed)
        begun = config_file(folder.path / "config.json", ControlRun)
        config = read_config(rest, begun, "rl")
        check_same_control(begun, config)
        return train(config, folder)
    config = read_config(rest, ControlRun(), "rl", CONTROL_EXPERIMENTS, ALSO)
    check_control(config)
    about = environment(PACKAGES) | {"device": config.device, "seed": ", ".join(map(str, config.seeds))}
    with RunFolder.begin(config.out, config.name, to_json(config, REGISTRIES), about) as folder:
        return train(config, folder)


def train(config: ControlRun, folder: RunFolder) -> int:
    """Train in a new folder, or in that of a run that was stopped; 1 if a training failed."""
    if config.video:
        check_video()
    tell_folder(folder)
    report = run_control(config, folder, Teller(config.loop.steps))
    show(report, folder, left=LEFT)
    return tell_notes(report, folder)


class Teller:
    """Prints one line for every judgement, with the speed since the one before.

    Args:
        steps: of a whole training.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.before = steps, dict[Job, tuple[int, float]]()

    def __call__(self, job: Job, **numbers: Any) -> None:
        """Print it."""
        now = int(numbers["step"]), float(numbers["seconds"])
        then = self.before.get(job)
        self.before[job] = now
        speed = ""
        if then is not None and now[1] > then[1]:
            speed = f", {(now[0] - then[0]) / (now[1] - then[1]):,.0f} steps/s"
        print(f"{job}: step {now[0]:,}/{self.steps:,}, return {numbers['mean_return']:,.1f}{speed}", flush=True)


def tell_notes(report: Report, folder: RunFolder) -> int:
    """Say what failed or was stopped, and how to go on."""
    failed = [note.replace("**", "") for note in report.notes if " failed**: " in note]
    stopped = any(" was stopped after " in note or " had not begun" in note for note in report.notes)
    for note in failed:
        print(f"spikewright rl: {note}", file=sys.stderr)
    if failed or stopped:
        print(f"Go on with: spikewright rl --resume {folder.path}")
    return int(bool(failed))


def play(argv: Sequence[str]) -> int:
    """Play episodes with an actor from a file."""
    config = read_config(argv, PlayRun, "rl --evaluate FILE")
    if config.video:
        check_video()
    about = environment(PACKAGES) | {"device": "cpu", "seed": config.seed}
    with RunFolder.begin(config.out, "play", to_json(config, REGISTRIES), about) as folder:
        report = run_play(config, folder, partial(tell_folder, folder))
        show(report, folder, left=())
    return 0


def convert(argv: Sequence[str]) -> int:
    """Make an ordinary actor from a file spiking, and play it at every T."""
    config = read_config(argv, ConvertActorRun, "rl --convert FILE")
    about = environment(PACKAGES) | {"device": "cpu", "seed": config.seed}
    with RunFolder.begin(config.out, "convert-actor", to_json(config, REGISTRIES), about) as folder:
        report = run_convert_actor(config, folder, partial(tell_folder, folder))
        show(report, folder, left=())
    return 0

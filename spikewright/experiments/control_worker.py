"""python -m spikewright.experiments.control_worker FOLDER TASK SEED MINUTES: one job of a control run, told as JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.config import from_json
from ..report import RunFolder
from .control import ControlRun
from .control_jobs import Job, run_jobs
from .control_workers import end_with_parent, keep
from .registries import REGISTRIES


def main(argv: Sequence[str]) -> int:
    """Carry out a job of the run in a folder; a line of JSON for each judgement, and one for a failure."""
    folder, task, seed, minutes = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    end_with_parent()
    job = Job(task, int(seed))
    try:
        config = from_json(ControlRun, RunFolder.open(folder).config, REGISTRIES)
        run_jobs(config, [job], Path(folder), lambda job, **numbers: tell(**numbers), float(minutes))
    except Exception as error:
        tell(failure=keep(error, job.place(Path(folder))))
        return 1
    return 0


def tell(**numbers: Any) -> None:
    """Hand numbers to the parent."""
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

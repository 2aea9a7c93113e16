"""Jobs in turn or in processes of their own; one that fails or is killed ends with a sentence, the others go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from ..core.errors import SpikewrightError
from .control_jobs import Job, run_jobs
from .control_ray import on_cluster

if TYPE_CHECKING:
    from .control import ControlRun

ERRORS = "errors.log"
"""File in a job's folder with what it printed when it failed."""
Watch = Callable[..., None]
Failures = dict[Job, str]


def carry_out(config: ControlRun, folder: Path, jobs: Sequence[Job], watch: Watch) -> Failures:
    """Run jobs, as many at once as there are workers.

    Args:
        config: the run, as the folder's config.json has it.
        folder: of the run.
        jobs: in the order in which they are begun.
        watch: called with the job and named numbers at each judgement.

    Returns:
        Why jobs failed, in a few words each; those that the time ended do not count.
    """
    minutes = float("inf") if config.minutes is None else config.minutes
    until = time.monotonic() + 60 * minutes
    if config.cluster is not None:
        return on_cluster(config, folder, _groups(config, jobs), watch, time.time() + 60 * minutes, keep)
    if config.workers == 1:
        return _in_turn(config, folder, jobs, watch, until)
    return _at_once(config.workers, folder, jobs, watch, until)


def _in_turn(config: ControlRun, folder: Path, jobs: Sequence[Job], watch: Watch, until: float) -> Failures:
    """One job after another; on a GPU all seeds of a task together."""
    failures: Failures = {}
    for group in _groups(config, jobs):
        if time.monotonic() > until:
            break
        try:
            run_jobs(config, group, folder, watch, (until - time.monotonic()) / 60)
        except Exception as error:  # of a simulator, for instance: it must not take the other jobs along
            failures |= {job: keep(error, job.place(folder)) for job in group}
    return failures


def _groups(config: ControlRun, jobs: Sequence[Job]) -> list[list[Job]]:
    """What one process carries out at a time: a job, or on a GPU all seeds of a task."""
    tasks = dict.fromkeys(job.task for job in jobs)
    together = [[job for job in jobs if job.task == task] for task in tasks]
    return [[job] for job in jobs] if config.device == "cpu" else together


def _at_once(workers: int, folder: Path, jobs: Sequence[Job], watch: Watch, until: float) -> Failures:
    waiting, running, failures = deque(jobs), dict[Job, subprocess.Popen[str]](), Failures()
    lines: SimpleQueue[tuple[Job, str | None]] = SimpleQueue()
    try:
        while waiting or running:
            while waiting and len(running) < workers and time.monotonic() <= until:
                job = waiting.popleft()
                running[job] = _begun(job, folder, (until - time.monotonic()) / 60, lines)
            if not running:
                break
            job, line = lines.get()
            if line is None:
                process = running.pop(job)
                errors = job.place(folder) / ERRORS
                status = _waited(process)
                if not status and errors.is_file() and not errors.stat().st_size:
                    errors.unlink()
                if status and job not in failures:
                    failures[job] = _ended(status, job.place(folder))
                continue
            numbers = json.loads(line)
            if "failure" in numbers:
                failures[job] = numbers["failure"]
            else:
                watch(job, **numbers)
    finally:
        for process in running.values():
            process.kill()
            _waited(process)
    return failures


def _begun(job: Job, folder: Path, minutes: float, lines: SimpleQueue[tuple[Job, str | None]]) -> subprocess.Popen[str]:
    """A process for a job, and a thread that hands on what it prints."""
    place = job.place(folder)
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "spikewright.experiments.control_worker"]
    command += [str(folder), job.task, str(job.seed), str(minutes)]
    with (place / ERRORS).open("a", encoding="utf-8") as errors:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)

    def read() -> None:
        for line in process.stdout or ():
            lines.put((job, line))
        lines.put((job, None))

    Thread(target=read, daemon=True).start()
    return process


def _waited(process: subprocess.Popen[str]) -> int:
    """The status of a process that has ended or is about to."""
    with process:  # closes its pipes
        return process.wait()


def keep(error: Exception, place: Path) -> str:
    """Write the traceback of an error that is no user's into a job's folder; the error in a line."""
    if isinstance(error, SpikewrightError):
        return str(error)
    place.mkdir(parents=True, exist_ok=True)
    with (place / ERRORS).open("a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}. See {place / ERRORS}."


def _ended(status: int, place: Path) -> str:
    if status >= 0:
        return f"its process ended with status {status}. See {place / ERRORS}."
    with_name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    why = ", as the system does when memory runs out" if with_name == "SIGKILL" else ""
    return f"its process was ended by {with_name}{why}."


def end_with_parent() -> None:
    """In a worker: end at once when the process that began it is gone, as then its end of standard input closes."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    Thread(target=wait, daemon=True).start()

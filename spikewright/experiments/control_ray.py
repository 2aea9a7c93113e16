"""Jobs of a control run on the machines of a Ray cluster; a machine that is lost costs what followed the checkpoint."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ArgumentError, sentence
from .control_jobs import Job, run_jobs

if TYPE_CHECKING:
    from .control import ControlRun

LOST = 3
"""How often a job is begun again on another machine when its own is gone."""
ANSWER = 5.0
"""Seconds in which a cluster has to answer."""
PAUSE = 0.5
"""Seconds between two looks at what jobs have said."""


def check_ray() -> None:
    """Raise ArgumentError unless Ray is installed."""
    if find_spec("ray") is None:
        todo = "Install it: pip install 'spikewright[ray]'"
        raise ArgumentError(sentence("ControlRun.cluster", "no package ray", "it installed", todo))


def on_cluster(
    config: ControlRun,
    folder: Path,
    groups: Sequence[Sequence[Job]],
    watch: Callable[..., None],
    until: float,
    keep: Callable[[Exception, Path], str],
) -> dict[Job, str]:
    """Run groups of jobs as tasks of a cluster, each on as many cores as the run has threads, or on a GPU.

    Args:
        config: the run.
        folder: of the run, at the same path on all machines.
        groups: jobs of one task each, that one process carries out.
        watch: called with the job and named numbers at each judgement.
        until: when jobs stop with checkpoints, by the clock of the day.
        keep: writes an error down; the error in a line.

    Returns:
        Why jobs failed.

    Raises:
        ArgumentError: for a cluster that cannot be reached.
    """
    ray = _connected(config.cluster)
    failures: dict[Job, str] = {}
    try:
        queue = import_module("ray.util.queue").Queue(actor_options={"num_cpus": 0})
        needs = {"num_cpus": config.threads, "num_gpus": int(config.device != "cpu"), "max_retries": LOST}
        work = ray.remote(**needs)(_carried_out)
        waiting = {work.remote(config, group, folder.resolve(), until, queue, keep): group for group in groups}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=PAUSE)
            _tell(queue, watch)
            for each in done:
                group = waiting.pop(each)
                try:
                    failures |= ray.get(each)
                except ray.exceptions.RayError as error:
                    failures |= {job: keep(error, job.place(folder)) for job in group}
        _tell(queue, watch)
    finally:
        ray.shutdown()
    return failures


def _connected(address: str | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray: Any = import_module("ray")
    try:
        host, _, port = (address or "").removeprefix("ray://").rpartition(":")
        if host and port.isdecimal():  # where nobody answers Ray waits for minutes and ends the process
            socket.create_connection((host, int(port)), timeout=ANSWER).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, OverflowError) as error:
        met, allowed = f"{address} ({' '.join(str(error).split())})", "the address of a running cluster, auto or local"
        raise ArgumentError(sentence("ControlRun.cluster", met, allowed, "Begin one: ray start --head")) from error
    return ray


def _carried_out(
    config: ControlRun, group: Sequence[Job], folder: Path, until: float, queue: Any, keep: Callable[..., str]
) -> dict[Job, str]:
    """On a machine of the cluster: carry out a group; why it failed."""

    def watch(job: Job, **numbers: Any) -> None:
        queue.put((job, numbers))

    if time.time() > until:
        return {}
    try:
        run_jobs(config, group, folder, watch, (until - time.time()) / 60)
    except Exception as error:
        return {job: keep(error, job.place(folder)) for job in group}
    return {}


def _tell(queue: Any, watch: Callable[..., None]) -> None:
    for job, numbers in queue.get_nowait_batch(queue.qsize()):
        watch(job, **numbers)

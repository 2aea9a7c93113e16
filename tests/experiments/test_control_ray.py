"""Control runs on a cluster: the numbers of a run without one, and what is not there is said."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from spikewright.core.config import to_json
from spikewright.core.errors import ArgumentError
from spikewright.experiments import control_ray
from spikewright.experiments.control import ControlRun, check_control, run_control
from spikewright.experiments.control_jobs import RESULT, Outcome
from spikewright.experiments.registries import REGISTRIES
from spikewright.report import RunFolder
from spikewright.rl import TD3, LIFChoice, LoopConfig, ProxyTarget

RUN = ControlRun(
    task=("control_tasks:Point-v0",),
    actor=LIFChoice(hidden=(8,), timesteps=2, population=3),
    algorithm=TD3(batch=8, critic_hidden=(8,), target=ProxyTarget(updates=1, hidden=(8,))),
    loop=LoopConfig(steps=60, random_steps=20, capacity=100, evaluate_every=20, episodes=2, checkpoint_every=10),
    seeds=(0, 3),
    cluster="local",
)


def judged(folder: RunFolder) -> list[object]:
    """What every training has come to."""
    return [getattr(Outcome.read(job.place(folder.path) / RESULT), "judgements", None) for job in RUN.jobs]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.filterwarnings("default")
def test_a_local_cluster_gives_the_numbers_of_a_run_without_one(tmp_path, monkeypatch) -> None:
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, *filter(None, sys.path)]))
    folders = [RunFolder.create(tmp_path, name, to_json(RUN, REGISTRIES), {}) for name in ("ray", "plain")]
    seen: list[int] = []
    broken = replace(RUN, task=("control_tasks:Dies-v0", *RUN.task))
    report = run_control(broken, folders[0], lambda job, **numbers: seen.append(numbers["step"]))
    failed = [note for note in report.notes if "failed" in note]
    assert len(failed) == 2
    assert all("RuntimeError: the simulator is gone. See" in note for note in failed)
    assert seen.count(60) == 2
    run_control(replace(RUN, cluster=None), folders[1])
    assert None not in judged(folders[0])
    assert judged(folders[0]) == judged(folders[1])


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.filterwarnings("default")
def test_a_cluster_that_does_not_answer_is_named(tmp_path) -> None:
    config = replace(RUN, task=("Pendulum-v1",), cluster="127.0.0.1:9")
    with pytest.raises(ArgumentError, match=r"ControlRun\.cluster: got 127\.0\.0\.1:9 \(.*Begin one: ray start --head"):
        run_control(config, RunFolder.create(tmp_path, "ray", to_json(config, REGISTRIES), {}))


def test_what_does_not_fit_a_cluster_is_refused(monkeypatch) -> None:
    with pytest.raises(
        ArgumentError, match=r"ControlRun\.workers: got 2 with a cluster; expected 1\. The cluster decid"
    ):
        replace(RUN, workers=2)
    monkeypatch.setattr(control_ray, "find_spec", lambda name: None)
    with pytest.raises(
        ArgumentError, match=r"ControlRun\.cluster: got no package ray; .*pip install 'spikewright\[ray\]'"
    ):
        check_control(RUN)

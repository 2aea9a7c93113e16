"""Control runs: every seed counts, a killed one goes on to the same numbers, and nobody's failure ends the others."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, CheckpointError, ConfigError, DataError, ProcessError
from spikewright.experiments import control_workers
from spikewright.experiments.control import ControlRun, check_control, check_same_control, run_control
from spikewright.experiments.control_jobs import LAST, RESULT, Outcome
from spikewright.experiments.control_published import CONTROL_EXPERIMENTS
from spikewright.experiments.decision import Decision, decision_of, latency_rows, played
from spikewright.experiments.playing import PlayRun, run_play
from spikewright.experiments.registries import REGISTRIES
from spikewright.profile import COST_TABLES
from spikewright.report import RunFolder
from spikewright.rl import (
    DDPG,
    TD3,
    DNChoice,
    LIFChoice,
    LoopConfig,
    OrdinaryChoice,
    ProxyTarget,
    Space,
    load_actor,
    save_actor,
)

LOOP = LoopConfig(steps=60, random_steps=20, capacity=100, evaluate_every=20, episodes=2, checkpoint_every=10)
RUN = ControlRun(
    task=("control_tasks:Point-v0",),
    actor=LIFChoice(hidden=(8,), timesteps=2, population=3),
    algorithm=TD3(batch=8, critic_hidden=(8,), target=ProxyTarget(updates=1, hidden=(8,))),
    loop=LOOP,
    seeds=(0, 3),
)
POINT = Space(2, (-2.0,), (2.0,))


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Tasks that this process and those begun by it can import, and one thread."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def begun(tmp_path, config, name="run"):
    return RunFolder.create(tmp_path, name, to_json(config, REGISTRIES), {})


def judged(folder, config):
    """What every training has come to, but for the time that it took."""
    found = [Outcome.read(job.place(folder.path) / RESULT) for job in config.jobs]
    return [replace(outcome, seconds=0.0, decision=None) for outcome in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two seeds from beginning to end, and its report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        folder = begun(tmp_path_factory.mktemp("control"), RUN)
        seen = []
        report = run_control(RUN, folder, lambda job, **numbers: seen.append((job, numbers["step"])))
    return folder, report, seen


def test_a_run_writes_all_seeds(whole):
    folder, report, seen = whole
    assert seen == [(job, step) for job in RUN.jobs for step in (0, 20, 40, 60)]
    result, curve, seeds = report.tables[:3]
    row = dict(zip((column.name for column in result.columns), result.rows[0]))
    first, second = judged(folder, RUN)
    lasts = [np.mean([np.mean(found) for _, found in outcome.judgements]) for outcome in (first, second)]
    assert row["task"] == "control_tasks:Point-v0"
    assert (row["method"], row["seeds"]) == ("PT-LIF, TD3", 2)
    assert row["last"] == row["IQM"] == pytest.approx(np.mean(lasts))
    assert row["low"] == pytest.approx(min(lasts))
    assert row["high"] == pytest.approx(max(lasts))
    assert row["best"] >= row["last"]
    assert row["spikes"] > 0
    assert row["energy"] > 0
    assert curve.column("step") == (0, 20, 40, 60)
    assert curve.column("seed 3")[-1] == pytest.approx(second.last(1))
    assert seeds.column("seed") == (0, 3)
    assert {figure.name for figure in report.figures} == {"learning_curve", "episodes-1", "density"}
    assert any("could not be drawn here" in note for note in report.notes)
    assert (folder.path / "report.html").is_file()
    assert len(folder.metrics()) == 8


def test_its_actors_are_files(whole):
    folder, _, _ = whole
    place = RUN.jobs[1].place(folder.path)
    assert place.name == "seed-3"
    best, last = load_actor(place / "best.safetensors"), load_actor(place / LAST)
    outcome = Outcome.read(place / RESULT)
    assert best.about["return"] == pytest.approx(outcome.best)
    assert last.about["return"] == pytest.approx(outcome.last(1))
    again, _ = played(last.actor, last.task, episodes=2, seed=3 + 100)
    assert again == list(outcome.judgements[-1][1])


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in turn", "in processes"])
def test_a_killed_training_ends_with_a_sentence_and_goes_on_to_the_same_numbers(whole, tmp_path, worker, monkeypatch):
    config, processes = replace(RUN, workers=2 if worker else 1), {}
    folder = begun(tmp_path, config)
    begin = control_workers._begun

    def noted(job, *rest):
        processes[job] = begin(job, *rest)
        return processes[job]

    def kill(job, **numbers):
        if job.seed == 3 and numbers["step"] == 20:
            if worker:
                processes[job].send_signal(signal.SIGKILL)
            else:
                raise MemoryError("no room")

    monkeypatch.setattr(control_workers, "_begun", noted)
    report = run_control(config, folder, kill)
    why = "was ended by SIGKILL, as the system does when memory runs out" if worker else "MemoryError: no room. See"
    assert [note for note in report.notes if why in note and "seed 3 failed" in note]
    assert report.tables[0].column("seeds") == (1,)
    assert not (config.jobs[1].place(folder.path) / RESULT).exists()
    report = run_control(replace(config, workers=1), folder)
    assert not [note for note in report.notes if "failed" in note]
    assert judged(folder, config) == judged(whole[0], RUN)


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(whole, tmp_path, monkeypatch):
    import subprocess
    import sys

    monkeypatch.setenv("SPIKEWRIGHT_SLOW", "0.02")
    config = replace(RUN, task=("control_tasks:Slow-v0",), workers=2)
    folder = begun(tmp_path, config)
    code = (
        "import sys; from pathlib import Path; from spikewright.experiments.control import *\n"
        "from spikewright.core.config import from_json; from spikewright.report import RunFolder\n"
        "folder = RunFolder.open(sys.argv[1]); run_control(from_json(ControlRun, folder.config, REGISTRIES), folder)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(folder.path)])
    checkpoints = [job.place(folder.path) / "checkpoint.safetensors" for job in config.jobs]
    until = time.monotonic() + 120
    while not all(path.is_file() for path in checkpoints):
        assert time.monotonic() < until
        assert parent.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) >= 1
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until
        time.sleep(0.02)
    monkeypatch.setenv("SPIKEWRIGHT_SLOW", "0")
    run_control(replace(config, workers=1), folder)
    assert [each.judgements for each in judged(folder, config)] == [each.judgements for each in judged(whole[0], RUN)]


def test_time_ends_it_and_it_goes_on(whole, tmp_path):
    config = replace(RUN, minutes=0.0)
    folder = begun(tmp_path, config)
    with pytest.raises(ProcessError, match=r"seed 0: the time was up before it began\. No training came to a result"):
        run_control(config, folder)
    config = replace(RUN, seeds=(0,), minutes=0.002)
    stopped = run_control(config, folder)
    assert [note for note in stopped.notes if "seed 0 was stopped after" in note and "of 60 steps" in note]
    run_control(RUN, folder)
    assert judged(folder, RUN) == judged(whole[0], RUN)
    longer = replace(RUN, loop=replace(LOOP, steps=80))
    run_control(longer, folder)
    assert [outcome.steps for outcome in judged(folder, longer)] == [80, 80]
    assert from_json(ControlRun, folder.config, REGISTRIES) == longer
    shorter = run_control(RUN, folder)
    assert [note for note in shorter.notes if "seed 3 had 80 steps already, past the 60 asked for" in note]


def test_a_task_that_dies_does_not_take_the_others_along(tmp_path):
    config = replace(RUN, task=("control_tasks:Dies-v0", "control_tasks:Point-v0"), seeds=(0,))
    folder = begun(tmp_path, config)
    report = run_control(config, folder)
    (note,) = (note for note in report.notes if "failed" in note)
    assert "control_tasks:Dies-v0, seed 0 failed**: RuntimeError: the simulator is gone. See" in note
    assert "RuntimeError: the simulator is gone" in next(folder.path.rglob("errors.log")).read_text()
    assert report.tables[0].column("task") == ("control_tasks:Point-v0",)


def test_several_tasks_and_an_ordinary_actor(tmp_path):
    tasks = ("control_tasks:Point-v0", "control_tasks:Wide-v0")
    actor, algorithm = OrdinaryChoice(hidden=(8,)), DDPG(batch=8, critic_hidden=(8,))
    config = replace(RUN, task=tasks, actor=actor, algorithm=algorithm, seeds=(1,), costs="loihi")
    report = run_control(config, begun(tmp_path, config))
    result = report.tables[0]
    assert result.column("task") == tasks
    assert result.column("method") == ("ANN, DDPG",) * 2
    assert result.column("spikes") == result.column("energy") == result.column("low") == (None, None)
    assert "Spikes of layers" not in [table.title for table in report.tables]
    assert report.highlights.rows[0] == result.column("IQM")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seeds": (1, 1)}, r"ControlRun.seeds: got 1, 1; expected whole numbers, each once"),
        ({"seeds": ()}, r"ControlRun.seeds: got none"),
        ({"seeds": (-1,)}, r"ControlRun.seeds: got -1"),
        ({"task": ("a", "a")}, r"ControlRun.task: got a, a; expected ids of environments, each once"),
        ({"workers": 0}, r"ControlRun.workers: got 0"),
        (
            {"device": "cuda", "workers": 2},
            r"ControlRun.workers: got 2 with cuda; expected 1. Seeds learn side by side",
        ),
        ({"threads": 0}, r"ControlRun.threads: got 0"),
        ({"minutes": -1.0}, r"ControlRun.minutes: got -1.0"),
        ({"costs": "free"}, r"ControlRun.costs: got 'free'; expected one of float32_45nm"),
        ({"seeds": (2**63,)}, r"ControlRun.seeds: got 9223372036854775808; expected a whole number from 0 to"),
        (
            {"loop": LoopConfig(steps=10_000)},
            r"ControlRun.loop: got 10,000 steps, of which the first 25,000 are random; expected more steps than random",
        ),
        ({"loop": LoopConfig(seed=4)}, r"ControlRun.loop: got seed 4; expected seed 0. Take --seeds 4"),
    ],
)
def test_wrong_settings(change, match):
    with pytest.raises(ArgumentError, match=match):
        replace(RUN, **change)


@pytest.mark.parametrize(
    ("task", "match"),
    [
        ("Hoper-v9", r"rl.make.task: got 'Hoper-v9'"),
        ("control_tasks:Unbounded-v0", r"Space: got actions from -inf to inf; expected finite bounds"),
        ("CartPole-v1", r"rl: got Discrete as actions of CartPole-v1"),
    ],
)
def test_wrong_tasks(task, match):
    with pytest.raises(ArgumentError, match=match):
        check_control(replace(RUN, task=(task,)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"actor": DNChoice()}, r"--resume: got another actor; expected what the run was begun with"),
        ({"algorithm": TD3()}, r"got another algorithm"),
        ({"out": Path("elsewhere")}, r"got another out"),
        ({"loop": replace(LOOP, random_steps=5)}, r"got another loop.random_steps"),
    ],
)
def test_another_run_is_not_gone_on_with(change, match):
    with pytest.raises(ConfigError, match=match):
        check_same_control(RUN, replace(RUN, **change))
    check_same_control(RUN, replace(RUN, seeds=(0, 3, 4), workers=3, loop=replace(LOOP, steps=99)))


def test_a_broken_result_is_named(tmp_path):
    (tmp_path / RESULT).write_text('{"task": 3}')
    with pytest.raises(CheckpointError, match=r"got a broken result .*Remove it: the run goes on from its checkpoint"):
        Outcome.read(tmp_path / RESULT)


@pytest.mark.parametrize("name", CONTROL_EXPERIMENTS)
def test_published_runs_are_whole(name):
    run = CONTROL_EXPERIMENTS[name]()
    assert run.name == name
    assert from_json(ControlRun, to_json(run, REGISTRIES), REGISTRIES) == run
    run.algorithm.learner(run.actor.build(POINT), POINT)


def test_a_decision_by_hand():
    torch.manual_seed(0)
    actor, x = OrdinaryChoice(hidden=(5, 4)).build(POINT), torch.randn(7, 2)
    found = decision_of(actor, x, COST_TABLES["sop_77fj"])
    assert (found.macs, found.synops, found.spikes) == (2 * 5 + 5 * 4 + 4 * 1, 0, None)
    assert found.joule == pytest.approx(34 * 3.97e-12)
    actor = LIFChoice(hidden=(5,), timesteps=3, population=4).build(POINT)
    found = decision_of(actor, x, COST_TABLES["sop_77fj"])
    assert found.layers.column("layer") == ("encoder", "hidden 1", "output")
    encoder, hidden, _ = (rate * count * 3 for rate, count in zip(found.layers.column("firing_rate"), (8, 5, 4)))
    assert found.synops == pytest.approx(5 * encoder + 4 * hidden)
    assert found.joule == pytest.approx(77e-15 * found.synops)
    assert Decision.from_dict(found.to_dict()) == found
    many = decision_of(actor, torch.randn(1000, 2), COST_TABLES["sop_77fj"])
    assert many.observations == 250


def test_both_ways_to_decide_give_equal_actions():
    torch.manual_seed(0)
    rows = latency_rows(DNChoice(hidden=(9,)).build(POINT), torch.randn(20, 2))
    assert [row["by"] for row in rows] == ["torch", "events"]
    assert all(row["time"] > 0 and row["decisions"] == 20 for row in rows)
    assert rows[1]["largest difference"] <= 1e-6


def test_an_actor_from_a_file_plays(tmp_path):
    path = tmp_path / "actor.safetensors"
    save_actor(path, RUN.actor.build(POINT), "control_tasks:Point-v0")
    config = PlayRun(actor=path, episodes=3, seed=5)
    report = run_play(config, RunFolder.create(tmp_path, "play", to_json(config, REGISTRIES), {}))
    returns = report.tables[0]
    expected, _ = played(load_actor(path).actor, "control_tasks:Point-v0", episodes=3, seed=5)
    assert returns.column("mean return")[0] == pytest.approx(np.mean(expected))
    assert report.tables[-1].column("return") == tuple(expected)
    for task, error, match in (
        ("control_tasks:Wide-v0", ArgumentError, r"actor of control_tasks:Point-v0 on .*: got observations 2; expected 3"),
        ("control_tasks:Blind-v0", DataError, r"control_tasks:Blind-v0: got an observation or reward that is not finite"),
        ("control_tasks:Unbounded-v0", ArgumentError, r"got actions from -inf to inf"),
        ("Nothing-v0", ArgumentError, r"rl.make.task: got 'Nothing-v0'"),
    ):  # fmt: skip
        other = replace(config, task=task)
        with pytest.raises(error, match=match):
            run_play(other, RunFolder.create(tmp_path, "play", to_json(other, REGISTRIES), {}))

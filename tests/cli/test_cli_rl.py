"""rl: a line for each judgement, a table, going on, playing with an actor's file, and refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spikewright.report import RunFolder

from .conftest import Run, only

SMALL = {
    "task": "control_tasks:Point-v0", "actor": "LIF", "actor.hidden": "8", "actor.timesteps": "2", "algorithm": "TD3",
    "algorithm.batch": "8", "algorithm.critic_hidden": "8", "algorithm.target": "ProxyTarget",
    "algorithm.target.hidden": "8", "loop.steps": "30", "loop.random_steps": "20", "loop.evaluate_every": "15",
    "loop.episodes": "1", "loop.capacity": "50", "seeds": "0,2",
}  # fmt: skip


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A training that is over in a moment."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "experiments"))
    return [*(f"--{name}={value}" for name, value in SMALL.items()), "--out", str(tmp_path / "runs")]


def test_rl_trains_goes_on_and_plays(run: Run, flags: list[str], tmp_path: Path) -> None:
    ran = run("rl", *flags)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    lines = ran.out.splitlines()
    assert lines[0] == f"Run folder: {folder}"
    assert re.fullmatch(r"control_tasks:Point-v0, seed 0: step 0/30, return -[\d,]+\.\d", lines[1])
    assert re.fullmatch(r"control_tasks:Point-v0, seed 2: step 30/30, return -[\d,]+\.\d, [\d,]+ steps/s", lines[6])
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    assert max(map(len, lines[7:-1])) <= 80
    heads = next(line for line in lines if " task " in line).split()
    assert heads[:7] == ["task", "best", "last", "IQM", "low", "high", "steps/s"]

    ran = run("rl", "--resume", folder, "--loop.steps", "45", "--seeds", "0,2,5")
    assert (ran.status, ran.err) == (0, "")
    said = [line.split(",")[1] for line in ran.out.splitlines() if ": step " in line]
    assert said == [" seed 0: step 45/45", " seed 2: step 45/45", *(f" seed 5: step {n}/45" for n in (0, 15, 30, 45))]
    assert RunFolder.open(folder).report().tables[0].column("seeds") == (3,)

    actor = folder / "control_tasks_Point-v0" / "seed-2" / "best.safetensors"
    ran = run("rl", "--evaluate", actor, "--episodes", "2", "--out", tmp_path / "played")
    assert (ran.status, ran.err) == (0, "")
    assert re.search(r"LIF, trained on control_tasks:Point-v0: mean return -[\d,.]+ over 2", ran.out)
    assert RunFolder.open(only(tmp_path / "played")).report().tables[0].column("episodes") == (2,)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--task", "Pendulum-v9"], r"rl\.make\.task: got 'Pendulum-v9'; expected one of .*Pendulum-v1"),
        (["--seeds", "1,1"], r"--seeds: got 1, 1; expected whole numbers, each once"),
        (["--workers", "0"], r"--workers: got 0; expected a whole number of at least 1"),
        (["--loop.seed", "3"], r"--loop: got seed 3; expected seed 0\. Take --seeds 3"),
        (["--actor", "IF"], r"--actor: got 'IF'; expected one of LIF, CLIF, DN, ordinary"),
        (["--algorithm", "SAC"], r"--algorithm: got 'SAC'; expected one of DDPG, TD3"),
        (["--experiment", "nothing"], r"--experiment: got 'nothing'; expected one of mujoco_ann"),
        (["--evaluate", "nowhere.safetensors"], r"checkpoint nowhere\.safetensors: there is no such file"),
        (["--resume", "nowhere"], r"nowhere: got nothing there; expected the folder of a run"),
    ],
)
def test_refusals(run: Run, flags: list[str], tmp_path: Path, more: list[str], line: str) -> None:
    given = [*flags[-2:], *more] if more[0] == "--evaluate" else [*flags, *more]
    ran = run("rl", *given)
    assert ran.status == 2
    assert re.match(f"spikewright rl: {line}", ran.err), ran.err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_another_run_is_not_gone_on_with(run: Run, flags: list[str], tmp_path: Path) -> None:
    run("rl", *flags, "--minutes", "0")
    ran = run("rl", *flags, "--seeds", "0", "--minutes", "0.001")
    folder = next((tmp_path / "runs").iterdir())
    ran = run("rl", "--resume", folder, "--actor", "DN")
    assert (ran.status, ran.out) == (2, "")
    assert "--resume: got another actor; expected what the run was begun with" in ran.err


def test_the_help_shows_every_group(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("rl", "--help")
    text = capsys.readouterr().out
    for flag in ("--actor.timesteps", "--algorithm.target.lr", "--loop.random_steps", "--seeds", "--resume FOLDER"):
        assert flag in text
    with pytest.raises(SystemExit):
        run("rl", "--evaluate", "x.safetensors", "--help")
    assert "--episodes" in capsys.readouterr().out

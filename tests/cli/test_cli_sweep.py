"""sweep: a line for each point, a table, refusals, and one that was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikewright.report import RunFolder

from .conftest import Run, only


@pytest.fixture
def flags(small: list[str], own: Path) -> list[str]:
    """Two recipes, two statistics."""
    many = ["--recipes", "OPI,RobustNorm", "--thresholds", "maximum,ErrorOptimal", "--groups", "per_channel"]
    return ["--model", f"{own}:net", *many, "--calibration", "train", "--calibration_images", "64", *small]


def test_sweep_prints_every_point_and_the_table(run: Run, flags: list[str], tmp_path: Path) -> None:
    ran = run("sweep", *flags)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    lines = ran.out.splitlines()
    assert lines[0] == f"Run folder: {folder}"
    assert re.fullmatch(r"1/4 OPI, Maximum per channel: \d+\.\d\d % at T = 3 \(\d+ s\)", lines[1])
    assert lines[4].startswith("4/4 RobustNorm, ErrorOptimal timesteps=8 per channel: ")
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    assert max(map(len, lines[5:-1])) <= 80
    assert {path.stem for path in (folder / "figures").iterdir()} == {"pareto_latency", "pareto_energy"}
    table = RunFolder.open(folder).report().tables[0]
    assert len(table.rows) == 1 + 4 * 3
    assert table.column("latency") == table.column("T")
    config = json.loads((folder / "config.json").read_text())
    assert [part["type"] for part in config["recipes"]] == ["OPI", "RobustNorm"]

    ran = run("sweep", "--resume", folder)
    assert ran.status == 0
    assert ran.out.splitlines()[1] == lines[1][: lines[1].rindex("(")] + "(there already)"
    assert RunFolder.open(folder).report().tables[0] == table
    ran = run("sweep", "--resume", folder, "--seed", "1")
    assert (ran.status, ran.err) == (
        2,
        "spikewright sweep: --resume: got --seed too; expected no other flag. The config of the folder is used.\n",
    )


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--recipes", ""], r"--recipes: got none; expected at least one"),
        (["--recipes", "OPI,qfcs"], r"--recipes\[1\]: got 'qfcs'; expected one of COS, DCGS, HMT, OPI"),
        (["--calibration", "test"], r"--calibration: got 'test', the split that is judged; expected another split"),
        (["--judging.split", "val"], r"judging\.split: got 'val'; expected one of train, test"),
        (["--judging.timesteps", "0"], r"--judging\.timesteps: got 0; expected a whole number of at least 1"),
    ],
)
def test_refusals_leave_nothing_behind(run: Run, flags: list[str], tmp_path: Path, more: list[str], line: str) -> None:
    ran = run("sweep", *flags, *more)
    assert ran.status == 2
    assert re.search(line, ran.err)
    assert not (tmp_path / "runs").exists()


def test_statistics_with_settings_of_their_own_stand_in_a_file(run: Run, flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"thresholds": [{"type": "Percentile", "percentile": 99}, "Maximum"]}')
    place = flags.index("--thresholds")
    ran = run("sweep", "--config", tmp_path / "sweep.json", *flags[:place], *flags[place + 2 :], "--recipes", "OPI")
    assert ran.status == 0
    assert "1/2 OPI, Percentile 99.0 per channel: " in ran.out


def test_a_killed_sweep_gives_the_report_of_one_that_was_not(run: Run, flags: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spikewright", "sweep", *flags[:-1], str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        deadline = time.monotonic() + 240
        while not list((tmp_path / "killed").glob("*/metrics.jsonl")):
            assert process.poll() is None, "the sweep ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    killed = RunFolder.open(only(tmp_path / "killed"))
    assert 0 <= len(killed.metrics()) < 4
    assert run("sweep", "--resume", killed.path).status == 0
    assert run("sweep", *flags).status == 0
    whole = RunFolder.open(only(tmp_path / "runs")).report()
    report = killed.report()
    assert (report.summary, report.tables, report.figures) == (whole.summary, whole.tables, whole.figures)

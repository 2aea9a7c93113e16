"""train: an experiment cut down by flags, a run stopped by time, and one that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spikewright.models.checkpoint import load

from .conftest import Run, only

TINY = [
    *("--experiment", "cifar10_resnet20_qcfs_l4", "--network.classes", "4", "--dataset", "synthetic"),
    *("--fit.epochs", "2", "--batch_size", "4", "--fit.checkpoint_steps", "4", "--threads", "1"),
]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / "model.safetensors")[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_train_an_experiment_with_flags(run: Run, tmp_path: Path) -> None:
    ran = run("train", *TINY, "--images", "8", "--out", tmp_path)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert config["network"]["prepare"]["type"] == "QCFS"
    assert (config["name"], config["images"], config["fit"]["epochs"]) == ("cifar10_resnet20_qcfs_l4", 8, 2)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    first, *lines, _, _, weights_line, report_line = ran.out.splitlines()
    assert first == f"Run folder: {folder}"
    assert lines[0].startswith("A training step with 4 samples holds at least ")
    epochs = [line for line in lines if line.startswith("epoch")]
    assert epochs[0].startswith("epoch 1/2: lr 0.")
    assert f"eval accuracy {100 * rows[0]['eval_accuracy']:.2f} %" in " ".join(ran.out.split())
    assert weights_line == f"Weights: {folder / 'model.safetensors'}"
    assert report_line == f"Report: {folder / 'report.html'}"
    for name in ("environment.json", "report.json", "report.md", "report.html", "figures/learning_curve.svg"):
        assert (folder / name).stat().st_size > 100


def test_a_run_out_of_time_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    ran = run("train", *TINY, "--images", "8", "--minutes", "0", "--out", tmp_path)
    folder = only(tmp_path)
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == f"Time is up. Go on with: spikewright train --resume {folder}"
    assert not (folder / "model.safetensors").exists()
    ran = run("train", "--resume", folder, "--minutes", "none")
    assert ran.status == 0
    assert (folder / "model.safetensors").is_file()
    assert only(tmp_path) == folder
    assert run("train", "--resume", folder, "--fit.seed", "1").err.startswith(
        f"spikewright train: checkpoint {folder / 'checkpoint.safetensors'}: was written with another seed;"
    )


@pytest.mark.parametrize("flag", [("--network.classes", "5"), ("--batch_size", "2"), ("--label_smoothing", "0.1")])
def test_another_run_is_not_gone_on_with(run: Run, tmp_path: Path, flag: tuple[str, str]) -> None:
    """Its report would stand beside a config that did not make it."""
    assert run("train", *TINY, "--images", "8", "--minutes", "0", "--out", tmp_path).status == 0
    before = {path: path.read_bytes() for path in only(tmp_path).iterdir()}
    ran = run("train", "--resume", only(tmp_path), *flag)
    name = flag[0].removeprefix("--").split(".")[0]
    assert ran.status == 2
    assert ran.err.startswith(
        f"spikewright train: --resume: got another {name}; expected what the run was begun with. Begin a run of its own"
    )
    assert before == {path: path.read_bytes() for path in only(tmp_path).iterdir()}


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(run: Run, tmp_path: Path) -> None:
    flags = [*TINY, "--images", "48"]
    command = [sys.executable, "-m", "spikewright", "train", *flags, "--out", str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "killed").glob("*/checkpoint.safetensors")):
            assert process.poll() is None, "the training ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    killed = only(tmp_path / "killed")
    progress = load(killed / "checkpoint.safetensors")[1]["progress"]
    assert (progress["epoch"], progress["batch"]) < (2, 0)
    assert not (killed / "model.safetensors").exists()
    assert run("train", "--resume", killed).status == 0
    assert run("train", *flags, "--out", tmp_path / "whole").status == 0
    assert same(weights(killed), weights(only(tmp_path / "whole")))


def test_a_resumed_folder_is_never_removed(run: Run, tmp_path: Path) -> None:
    """Though it holds no more than a new one, as after a kill before the first checkpoint."""
    assert run("train", *TINY, "--images", "8", "--minutes", "0", "--out", tmp_path).status == 0
    folder = only(tmp_path)
    (folder / "checkpoint.safetensors").unlink()
    begun = (folder / "config.json").read_text()
    (folder / "config.json").write_text(begun.replace('"synthetic"', '"nothing"'))
    ran = run("train", "--resume", folder)
    assert (ran.status, "got 'nothing'" in ran.err) == (2, True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "environment.json"]


def test_a_dry_run_shows_memory_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    """Layer by layer and in all; one of the two parts of a batch is run at once."""
    ran = run("train", *TINY, "--images", "8", "--fit.accumulate", "2", "--dry_run", "--out", tmp_path / "runs")
    assert (ran.status, ran.err) == (0, "")
    assert "Memory of a training step" in ran.out
    assert "Conv2d" in ran.out
    assert "A training step with 2 samples holds at least " in ran.out
    assert not (tmp_path / "runs").exists()

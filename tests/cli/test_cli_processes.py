"""train, convert and evaluate in many processes: one run folder, one voice, the numbers of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from spikewright.cli.main import main
from spikewright.models.checkpoint import load

from ..conftest import Group
from .conftest import Run, only

TINY = [
    *("--network.classes", "4", "--dataset", "synthetic", "--images", "16", "--threads", "1"),
    *("--fit.epochs", "2", "--batch_size", "8"),
]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "spikewright"]


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def command(argv: list[str], out: Path):
    """What a process of a group does: the command, its words into files of its own."""

    def run() -> int:
        files = [os.open(out.with_suffix(f".{name}.{os.environ['RANK']}"), os.O_WRONLY | os.O_CREAT) for name in "oe"]
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        return main(argv)

    return run


def printed(out: Path, name: str, rank: int) -> str:
    return out.with_suffix(f".{name}.{rank}").read_text()


@pytest.mark.slow
def test_torchrun_trains_as_one_process(run: Run, tmp_path: Path) -> None:
    """The very command under `torchrun`: one folder, each line once, weights and metrics of one process."""
    two, one = tmp_path / "two", tmp_path / "one"
    environ = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    done = subprocess.run(
        [*TWO, "train", *TINY, "--out", str(two)],
        capture_output=True,
        text=True,
        env=environ,
        timeout=240,
        check=True,
    )
    assert run("train", *TINY, "--out", one).status == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"Run folder: {only(two)}"
    assert [line.split(":")[0] for line in lines if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1] == f"Report: {only(two) / 'report.html'}"
    for row, other in zip(metrics(only(two)), metrics(only(one)), strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**other, "seconds": 0}, rel=1e-5)
    (weights, _), (wanted, _) = load(only(two) / "model.safetensors"), load(only(one) / "model.safetensors")
    for name, value in wanted.items():
        assert torch.allclose(weights[name], value, rtol=1e-3, atol=1e-3), name  # a learning rate of 0.1
    assert json.loads((only(two) / "environment.json").read_text())["processes"] == 2


def test_convert_and_evaluate_as_one_process(
    run: Run, group: Group, own: Path, calibrated: list[str], tmp_path: Path
) -> None:
    """13 images in batches of 5: the last batch gives 2 and 1; everything in the report is that of one process."""
    flags = [*calibrated[:-2], "--judging.images=13", "--judging.batch_size=5", "--model", f"{own}:net"]
    assert run("convert", *flags, "--out", tmp_path / "one").status == 0
    one, out = only(tmp_path / "one"), tmp_path / "said"
    assert group(command(["convert", *flags, "--out", str(tmp_path / "two")], out), launch=False) == [0, 0]
    two = only(tmp_path / "two")
    assert tables(two)[:1] == tables(one)[:1]
    (weights, _), (wanted, _) = load(two / "snn.safetensors"), load(one / "snn.safetensors")
    assert weights.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(weights[name], value, rtol=2e-3), name
    assert printed(out, "o", 0).startswith(f"Run folder: {two}\n")
    assert printed(out, "o", 1) == ""
    assert metrics(two) == metrics(one)
    again = ["evaluate", str(one), *flags[4:][flags[4:].index("--dataset") :][:-2]]
    assert run(*again, "--out", tmp_path / "first").status == 0
    said = tmp_path / "again"
    assert group(command([*again, "--out", str(tmp_path / "second")], said), launch=False) == [0, 0]
    assert tables(only(tmp_path / "second")) == tables(only(tmp_path / "first"))
    assert printed(said, "o", 1) == ""


def tables(folder: Path) -> list[dict]:
    return json.loads((folder / "report.json").read_text())["tables"]


def test_errors_are_said_once_or_with_their_process(group: Group, tmp_path: Path) -> None:
    """A wrong flag is met by all and said by the first; no data set, by each, with its number; no folder is left."""
    out = tmp_path / "flag"
    assert group(command(["train", "--fit.epochs", "0"], out), launch=False) == [2, 2]
    assert "--fit.epochs: got 0" in printed(out, "e", 0)
    assert printed(out, "e", 1) == ""
    out, runs = tmp_path / "data", tmp_path / "runs"
    assert group(command(["train", "--dataset", "nothing", "--out", str(runs)], out), launch=False) == [2, 2]
    assert list(runs.iterdir()) == []


def test_verbs_of_one_process_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = run("list")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "spikewright list, process 0: torchrun: got 2 processes of list; expected one, or one of train, robust, "
        "convert, evaluate. Start it without torchrun.\n"
    )

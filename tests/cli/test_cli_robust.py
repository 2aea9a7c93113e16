"""robust: the training verb with a network of neurons, a hardening, and a refusal of none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewright.cli.main import main

from .conftest import Run, only

TINY = [
    *("--experiment", "cifar10_cnn_rat", "--network.architecture", "resnet20", "--network.classes", "4"),
    *(
        "--dataset",
        "synthetic",
        "--images",
        "8",
        "--batch_size",
        "4",
        "--fit.epochs",
        "1",
        "--over_time.timesteps",
        "2",
    ),
    *("--hardening.watch.images", "2", "--hardening.watch.attack.search.steps", "2"),
]


def test_a_run_is_hardened_stopped_and_gone_on_with(run: Run, tmp_path: Path) -> None:
    ran = run("robust", *TINY, "--minutes", "0", "--out", tmp_path)
    folder = only(tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == f"Time is up. Go on with: spikewright robust --resume {folder}"
    assert json.loads((folder / "config.json").read_text())["hardening"]["type"] == "RAT"
    ran = run("robust", "--resume", folder, "--minutes", "none")
    assert (ran.status, ran.err) == (0, "")
    assert "attacked accuracy" in " ".join(ran.out.split())
    assert (folder / "model.safetensors").is_file()


def test_a_dry_run_leaves_nothing(run: Run, tmp_path: Path) -> None:
    ran = run("robust", *TINY, "--dry_run", "--out", tmp_path / "runs")
    assert (ran.status, ran.err) == (0, "")
    assert "A training step with 4 samples holds at least " in ran.out
    assert not (tmp_path / "runs").exists()


def test_help_shows_the_default_and_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["robust", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--hardening.examples.search.steps" in text
    assert "one of Hardening, Adversarial, RAT, SGR, TRADES, or none; default: Adversarial" in text


def test_clean_training_alone_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("robust", "--hardening", "none", "--out", tmp_path)
    assert ran.status == 2
    assert ran.err.startswith("spikewright robust: --hardening: got none; expected how the network is hardened, e.g. ")
    ran = run("robust", "--experiment", "cifar10_resnet20_lif", "--out", tmp_path)
    assert ran.status == 2
    assert not list(tmp_path.iterdir())

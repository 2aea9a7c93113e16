"""sparsity and evaluate of networks that were trained as spiking ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.cli.sparsity import _joined
from spikewright.report import Report

from .conftest import Run, only

SPIKING = """
import torch
from torch import nn
from spikewright import LIF, Spiking


def net(scale=4.0):
    torch.manual_seed(0)
    first = nn.Linear(768, 8)
    first.weight.data *= scale
    return Spiking(nn.Sequential(nn.Flatten(), first, LIF(), nn.Linear(8, 4)))


def quiet():
    return net(1.0)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with two spiking networks."""
    (tmp_path / "mine.py").write_text(SPIKING)
    return tmp_path / "mine.py"


def test_networks_side_by_side(run: Run, mine: Path, tmp_path: Path) -> None:
    flags = ["--dataset", "synthetic", "--split", "test", "--images", "20", "--counted_images", "4"]
    ran = run("sparsity", "--models", f"{mine}:net", f"{mine}:quiet", *flags, "--out", tmp_path / "runs")
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    (table,) = Report.from_json((folder / "report.json").read_text()).tables
    assert sorted(table.column("network")) == ["mine.py:net", "mine.py:quiet"]  # pyright: ignore
    lines = ran.out.splitlines()
    assert lines[0] == f"Run folder: {folder}"
    assert lines[1].startswith("mine.py:net: ")
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    assert max(map(len, lines[1:-1])) <= 80
    assert (folder / "figures" / "pareto_synops.svg").is_file()
    ran = run("sparsity", "--config", folder / "config.json", "--timesteps", "2", "--out", tmp_path / "again")
    assert ran.status == 0
    (again,) = Report.from_json((only(tmp_path / "again") / "report.json").read_text()).tables
    assert again.column("T") == (2, 2)


def test_evaluate_a_spiking_network(run: Run, mine: Path, small: list[str], tmp_path: Path) -> None:
    ran = run("evaluate", f"{mine}:net", *small)
    assert (ran.status, ran.err) == (0, "")
    (table, *_) = Report.from_json((only(tmp_path / "runs") / "report.json").read_text()).tables
    assert table.column("T") == (1, 2, 3)
    for accuracy in table.column("accuracy"):
        assert f" {100 * float(accuracy):.2f} " in ran.out  # pyright: ignore[reportArgumentType]
    assert "firing rate" in " ".join(ran.out.split())


def test_networks_may_be_given_in_any_of_the_usual_ways() -> None:
    for words in (["--models", "a", "b"], ["a", "b"], ["--models=a,b"], ["--models", "a,b"]):
        assert _joined([*words, "--timesteps", "4"]) in (
            ["--models", "a,b", "--timesteps", "4"],
            ["--models=a,b", "--timesteps", "4"],
        )
    assert _joined(["--timesteps", "4", "--models", "a", "b"]) == ["--models", "a,b", "--timesteps", "4"]


def test_no_network_at_all_is_told(run: Run) -> None:
    ran = run("sparsity")
    assert ran.status == 2
    assert ran.err.startswith("spikewright sparsity: --models: got no value; expected")

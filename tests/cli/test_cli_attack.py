"""attack: the files of a run, one attack of one's choice, networks of every kind, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from spikewright.attack import GRADIENT_RULES, PGD, SEARCHES, Budget, Classifier, Linf
from spikewright.core.config import from_json, to_json
from spikewright.data import Batches, load_dataset
from spikewright.experiments.attacking import AttackRun, victim, weights_digest
from spikewright.experiments.registries import REGISTRIES
from spikewright.models.checkpoint import load
from spikewright.report import Report

from .conftest import Run, only

MINE = """
import torch
from torch import nn
from spikewright import LIF, Spiking


def net(scale=4.0):
    torch.manual_seed(0)
    first = nn.Linear(768, 8)
    first.weight.data *= scale
    return Spiking(nn.Sequential(nn.Flatten(), first, LIF(), nn.Linear(8, 4)))


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU(), nn.Linear(8, 4))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with a spiking network and an ordinary one."""
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


@pytest.fixture
def few(tmp_path: Path) -> list[str]:
    """Flags for few synthetic images."""
    return ["--dataset", "synthetic", "--split", "test", "--images", "12", "--out", str(tmp_path / "runs")]


@pytest.fixture
def probed(few: list[str]) -> list[str]:
    """The same with short curves."""
    probing = {"samples": 6, "eps": "0,1", "steps": "1,3", "widths": "0.5,1,2", "gammas": "0.5,1", "search.steps": 2}
    return [*few, *(f"--probing.{name}={value}" for name, value in probing.items())]


def test_one_attack_writes_everything_its_number_depends_on(
    run: Run, mine: Path, probed: list[str], tmp_path: Path
) -> None:
    chosen = ["--search", "pgd", "--search.steps", "3", "--budget", "linf", "--budget.eps", "0.1", "--rule", "hart"]
    ran = run("attack", f"{mine}:net", *chosen, "--rule.gamma", "0.8", *probed)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    lines = ran.out.splitlines()
    assert lines[0] == f"Run folder: {folder}"
    assert lines[1].startswith("noise: ")
    assert lines[2].startswith("PGD steps=3, HART gamma=0.8: ")
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    assert "worst case" in ran.out
    assert max(map(len, lines[1:-1])) <= 80
    config = json.loads((folder / "config.json").read_text())
    assert (config["rule"], config["search"]["steps"]) == ({"type": "HART", "gamma": 0.8}, 3)
    report = Report.from_json((folder / "report.json").read_text())
    table = report.tables[0]
    assert table.column("search") == ("no attack", "noise", "PGD steps=3", "all of them")
    assert [json.loads(line)["attack"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [
        "noise", "PGD steps=3, HART gamma=0.8",
    ]  # fmt: skip
    assert {path.stem for path in (folder / "figures").iterdir()} >= {"robustness", "steps", "width", "gamma"}
    assert "Checks: " in (folder / "report.md").read_text()

    tensors, about = load(folder / "samples.safetensors")
    x, y = next(iter(Batches(load_dataset("synthetic", split="test").subset(12), 12)))
    network = victim(f"{mine}:net", None, "synthetic", "train", None).model
    assert about["weights sha256"] == weights_digest(network) == report.environment["weights sha256"]
    with torch.no_grad():
        again = Classifier(network, 4)(tensors["adversarial"]).argmax(1) == y
    assert torch.equal(again, tensors["robust"])
    assert Linf(eps=0.1).contains(tensors["adversarial"], x).all()
    assert float(tensors["robust"].double().mean()) == table.column("worst case")[-1]
    assert torch.equal(tensors["robust"], tensors["robust:noise"] & tensors["robust:PGD steps=3, HART gamma=0.8"])

    ran = run("attack", "--config", folder / "config.json", "--out", tmp_path / "again")
    retold = Report.from_json((only(tmp_path / "again") / "report.json").read_text()).tables[0]
    assert retold.rows == table.rows


def test_a_suite_on_a_network_that_is_converted_first(run: Run, mine: Path, few: list[str], tmp_path: Path) -> None:
    flags = ["--recipe", "opi", "--calibration", "train", "--suite", "quick", "--other", f"{mine}:plain", *few]
    ran = run("attack", f"{mine}:plain", *flags, "--probing", "none", "--budget.eps", "0.05")
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    report = Report.from_json((folder / "report.json").read_text())
    assert report.tables[0].column("search")[-2:] == ("PGD-10 through another", "all of them")
    assert "nothing is claimed" in report.summary
    assert (folder / "snn.safetensors").is_file()
    ran = run("attack", folder, "--search", "fgsm", *few, "--probing", "none", "--out", tmp_path / "saved")
    assert ran.status == 0, ran.err
    ran = run("attack", folder, "--recipe", "opi", *few)
    assert ran.status == 2
    assert "recipe: got a recipe for" in ran.err


def test_an_embedded_network_needs_nothing_else(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPIKEWRIGHT_DATA", raising=False)
    flags = ["--images", "4", "--search", "fgsm", "--probing", "none", "--timesteps", "2", "--out", tmp_path / "runs"]
    ran = run("attack", *flags)
    assert (ran.status, ran.err) == (0, "")
    report = Report.from_json((only(tmp_path / "runs") / "report.json").read_text())
    assert report.title == "cifar10_resnet20_qcfs_l4 under attack"
    assert {figure.name for figure in report.figures} <= {"attacked"}


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--search", "pdg"], "--search: got 'pdg'; expected one of "),
        (["--budget.eps", "8/0"], "--budget.eps: got '8/0'; expected a finite number"),
        (["--budget.eps", "-1"], "--budget.eps: got -1.0; expected a finite number of at least 0"),
        (["--budget", "spikeflips"], "--budget: got 'spikeflips'; expected one of L0, L2, Linf"),
        (["--rule", "hart"], "AttackRun: got a rule without a search; expected both"),
        (["--restarts", "3"], "AttackRun: got restarts without a search"),
        (
            ["--search", "square", "--rule", "rga"],
            "--rule: got a rule for Square, which takes no gradient; expected none",
        ),
        (["--suite", "slow"], "--suite: got 'slow'; expected one of quick, whole"),
        (["--images", "0"], "--images: got 0"),
        (["--seed", "-1"], "--seed: got -1; expected a whole number of at least 0"),
        (["--search", "cw"], "CW: got a budget Linf; expected L2"),
        (["--search", "greedyevents"], "GreedyEvents: got a budget Linf; expected EventBudget"),
        (["--search", "square", "--budget", "l0"], "Square: got a budget L0; expected Linf or L2"),
        (["--probing.eps", "-1,0,1"], "--probing.eps: got (-1.0, 0.0, 1.0); expected numbers of at least 0"),
        (["--probing.steps", "0,1"], "--probing.steps: got (0, 1); expected numbers above 0"),
        (["--timesteps", "0"], "--timesteps: got 0"),
        (["--dataset", "nothing"], "got 'nothing'; expected one of"),
        (["--split", "nothing"], "got split 'nothing'"),
        (["--model", "nowhere"], "there is no network 'nowhere'"),
        (["--model", "cifar10_resnet20_relu"], "holds an ordinary network; expected a spiking one"),
        (["--other", "nowhere"], "there is no network 'nowhere'"),
        (["--dataset", "synthetic", "--split", "test"], "has 4 classes, but cifar10_resnet20_qcfs_l4 was made for 10"),
        (["--dataset", "nmnist"], "got events; expected images"),
    ],
)
def test_bad_input_is_told_before_anything_is_attacked(run: Run, tmp_path: Path, flags: list[str], line: str) -> None:
    ran = run("attack", *flags, "--out", tmp_path / "runs")
    assert ran.status == 2
    assert line in ran.err
    assert "Traceback" not in ran.err
    assert not list(tmp_path.glob("runs/*"))


def test_a_gpu_that_is_not_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ran = run("attack", "--device", "cuda", "--out", tmp_path / "runs")
    assert ran.status == 2
    assert "device: got cuda without a GPU that torch can use" in ran.err


def test_a_data_set_that_is_not_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(tmp_path / "none"))
    ran = run("attack", "--split", "test", "--out", tmp_path / "runs")
    assert ran.status == 2
    assert "dataset cifar10, split test: got nothing of" in ran.err


PARTS = [(field, name, kind) for field, registry in (("search", SEARCHES), ("rule", GRADIENT_RULES), ("budget", REGISTRIES[Budget]))
         for name, kind in registry.items()]  # fmt: skip


@pytest.mark.parametrize(("field", "name", "kind"), PARTS, ids=[name for _, name, _ in PARTS])
def test_every_part_is_written_and_read_again(field: str, name: str, kind: type) -> None:
    search = {} if field != "rule" else {"search": PGD()}
    config = AttackRun(**search, **{field: kind()})
    data = to_json(config, REGISTRIES)
    assert data[field]["type"] == name
    assert from_json(AttackRun, data, REGISTRIES) == config

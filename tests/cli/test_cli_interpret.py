"""interpret: the files of a run, ordinary and spiking networks, and bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.core.config import from_json, to_json
from spikewright.experiments.interpreting import InterpretRun
from spikewright.experiments.registries import REGISTRIES
from spikewright.interpret import METHODS
from spikewright.interpret.baselines import BASELINES
from spikewright.report import Report

from .conftest import Run, only

MINE = """
import torch
from torch import nn
from spikewright import LIF, Spiking


def plain(act=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), act(), nn.Flatten(), nn.Linear(1024, 4))


def net():
    return Spiking(plain(LIF))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with a spiking network and an ordinary one."""
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


@pytest.fixture
def few(tmp_path: Path) -> list[str]:
    """Flags for few synthetic images."""
    data = ["--dataset", "synthetic", "--split", "test", "--images", "3", "--steps", "4"]
    return [*data, "--out", str(tmp_path / "runs")]


def test_a_run_of_every_method_on_spikes(run: Run, mine: Path, few: list[str], tmp_path: Path) -> None:
    done = run("interpret", f"{mine}:net", "--methods", "all", *few)
    assert done.status == 0, done.err
    assert "DeepLift: not applicable, no multiplier is known" in done.out
    folder = only(tmp_path / "runs")
    report = Report.from_json((folder / "report.json").read_text())
    table = report.tables[0]
    assert table.column("method") == (*METHODS, *BASELINES)
    status = dict(zip(table.column("method"), table.column("status")))
    assert [name for name, what in status.items() if what == "not applicable"] == ["DeepLift", "DeepLiftSHAP", "LRP"]
    assert dict(zip(table.column("method"), table.column("deletion")))["LRP"] is None
    assert "order the pixels better than an edge detector" in report.summary
    assert report.figures[0].options["methods"] == [*METHODS, "edge detector"]
    assert (folder / "figures" / "maps.svg").exists()


def test_an_ordinary_network_is_explained_as_it_is(run: Run, mine: Path, few: list[str], tmp_path: Path) -> None:
    done = run("interpret", f"{mine}:plain", "--methods", "DeepLift,saliency,Saliency", "--explain", "label", *few)
    assert done.status == 0, done.err
    table = Report.from_json((only(tmp_path / "runs") / "report.json").read_text()).tables[0]
    assert table.column("method") == ("DeepLift", "Saliency", *BASELINES)
    assert table.column("status")[0] == "ok"
    assert "the logit of the label" in table.caption


def test_a_recipe_makes_it_spike_and_a_rule_is_seen(run: Run, mine: Path, few: list[str]) -> None:
    flags = ["--recipe", "RobustNorm", "--calibration", "train", "--methods", "Saliency", "--rule", "HART"]
    done = run("interpret", f"{mine}:plain", *flags, *few)
    assert done.status == 0, done.err


def test_bad_input(run: Run, mine: Path, few: list[str]) -> None:
    for flags, message in (
        (["--methods", "Salience"], "attribute.method: got 'Salience'; expected one of"),
        (["--rule", "HART"], "--rule: got a rule for an ordinary network"),
        (["--images", "0"], "--images: got 0; expected a whole number"),
        (["--missing", "grey"], "missing"),
        (["--missing", "2"], "--missing: got 2.0; expected a number in 0..1"),
        (["--steps", "257"], "--steps: got 257; expected at most one for each of 256 pixels"),
    ):
        done = run("interpret", f"{mine}:plain", *few, *flags)
        assert done.status == 2
        assert message in done.err


def test_a_network_for_other_images_leaves_no_folder(run: Run, mine: Path, few: list[str], tmp_path: Path) -> None:
    mine.write_text(MINE + "\n\ndef other():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 4))\n")
    done = run("interpret", f"{mine}:other", "--methods", "Saliency", *few)
    assert done.status == 2
    assert "interpret: the network cannot take a batch of shape [3, 3, 16, 16]" in done.err
    assert not list((tmp_path / "runs").glob("*"))


def test_one_image_does_not_say_what_beats_edges(run: Run, mine: Path, few: list[str], tmp_path: Path) -> None:
    done = run("interpret", f"{mine}:plain", "--methods", "Saliency", *few, "--images", "1")
    assert done.status == 0, done.err
    report = Report.from_json((only(tmp_path / "runs") / "report.json").read_text())
    assert set(report.tables[0].column("low")) == {None}
    assert report.summary.startswith("One image does not say")


def test_a_config_survives_json() -> None:
    config = InterpretRun(methods=("LIME",), images=3)
    assert from_json(InterpretRun, to_json(config, REGISTRIES), REGISTRIES) == config

"""A network that was trained as a spiking one is judged at every T, with what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.core.config import to_json
from spikewright.core.errors import CheckpointError, ConfigError
from spikewright.core.spiking import Spiking
from spikewright.data import Batches, synthetic
from spikewright.experiments.conversion import EvaluateRun, run_evaluation
from spikewright.experiments.judging import Judging, measure
from spikewright.experiments.network import load_network, load_spiking, save_network
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun, run_training
from spikewright.profile import count_operations, count_spikes, estimate
from spikewright.report import Report, RunFolder
from spikewright.train.evaluate import accuracy_over_time, wilson

OWN_SPIKING = """
import torch
from torch import nn
from spikewright import LIF, Spiking


def net():
    torch.manual_seed(0)
    return Spiking(nn.Sequential(nn.Flatten(), nn.Linear(768, 8), LIF(), nn.Linear(8, 4)))
"""


@pytest.fixture
def trained(spiking: TrainRun) -> Path:
    """The run folder of a short training of LIF neurons."""
    folder = RunFolder.create(spiking.out, "trained", to_json(spiking, REGISTRIES), {})
    assert run_training(spiking, folder) is not None
    return folder.path


def evaluated(config: EvaluateRun, name: str = "evaluated") -> tuple[Report, RunFolder]:
    folder = RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})
    return run_evaluation(config, folder), folder


def test_the_report_holds_what_was_measured(trained: Path, judging: Judging, tmp_path: Path) -> None:
    config = EvaluateRun(model=str(trained), dataset="synthetic", judging=judging, out=tmp_path)
    report, folder = evaluated(config)
    table, model = report.tables[0], load_network(trained).model
    images = synthetic.load(split="test")
    over_time = accuracy_over_time(model, Batches(images, 20), 4)  # pyright: ignore[reportArgumentType]
    assert table.column("recipe") == ("LIF",) * 3
    assert table.column("T") == (1, 2, 4)
    assert table.column("accuracy") == tuple(over_time.accuracy[t - 1] for t in (1, 2, 4))
    assert list(zip(table.column("low"), table.column("high"))) == [
        wilson(over_time.correct[t - 1], 20) for t in (1, 2, 4)
    ]
    few = Batches(images.subset(10), 10)
    spikes = count_spikes(model, few, timesteps=4)  # pyright: ignore[reportArgumentType]
    operations = count_operations(model, few, timesteps=4)  # pyright: ignore[reportArgumentType]
    assert table.column("firing rate") == pytest.approx([spikes.firing_rate(t) for t in (1, 2, 4)])
    assert table.column("synops") == pytest.approx([operations.totals(t).synops / 1e6 for t in (1, 2, 4)])
    joule = [estimate(operations, judging.cost_table, timesteps=t).joule for t in (1, 2, 4)]
    assert table.column("energy") == pytest.approx(joule)
    assert not {"agreement", "ratio"} & {column.name for column in table.columns}
    assert f"{100 * over_time.accuracy[-1]:.2f} % of 20 images at T = 4" in report.summary
    assert "The network was trained over T = 4." in report.notes
    assert folder.metrics() == [{"timesteps": t, "accuracy": over_time.accuracy[t - 1]} for t in (1, 2, 4)]
    for name in ("accuracy", "energy", "density", "raster", "membranes"):
        assert (folder.path / "figures" / f"{name}.svg").is_file()
    assert not [spec.name for spec in report.figures if "source network" in spec.caption]


def test_events_give_the_same_classes_and_a_plan(trained: Path, judging: Judging, tmp_path: Path) -> None:
    config = EvaluateRun(model=str(trained), dataset="synthetic", judging=judging, out=tmp_path)
    by_torch, _ = evaluated(config)
    by_events, _ = evaluated(replace(config, judging=replace(judging, engine="events")), "events")
    assert by_events.tables[0].column("accuracy") == by_torch.tables[0].column("accuracy")
    assert len(by_events.tables) == len(by_torch.tables) + 1
    assert "path" in {column.name for column in by_events.tables[-1].columns}


def test_a_spiking_network_of_the_users_own_is_judged(judging: Judging, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_SPIKING)
    config = EvaluateRun(model=f"{tmp_path / 'mine.py'}:net", dataset="synthetic", judging=judging, out=tmp_path)
    report, _ = evaluated(config)
    assert report.tables[0].column("recipe") == ("LIF",) * 3
    assert not [note for note in report.notes if "was trained over" in note]


def test_measuring_without_a_source_takes_no_agreement(trained: Path, judging: Judging) -> None:
    lines: list[dict] = []
    _, model = load_spiking(trained)
    assert isinstance(model, Spiking)
    measured = measure(model, None, synthetic.load(split="test"), judging, log=lambda **row: lines.append(row))
    assert measured.source is None
    assert measured.over_time.source_correct is None
    assert [set(line) for line in lines] == [{"timesteps", "accuracy"}] * 3
    assert all(energy.ratio is None for energy in measured.energies)


def test_networks_that_do_not_spike_are_refused(spiking: TrainRun, judging: Judging, tmp_path: Path) -> None:
    plain = replace(spiking.network, neurons=None)
    save_network(tmp_path / "plain.safetensors", plain.build(), plain, {})
    with pytest.raises(CheckpointError, match=r"plain.*: holds an ordinary network, not a converted one, nor one trai"):
        load_spiking(tmp_path / "plain.safetensors")
    with pytest.raises(CheckpointError, match=r"there is no file"):
        load_spiking(tmp_path / "nothing.safetensors")
    torch.manual_seed(0)
    wide = replace(spiking.network, classes=5)
    save_network(tmp_path / "wide.safetensors", wide.build(), wide, {})
    config = EvaluateRun(model=str(tmp_path / "wide.safetensors"), dataset="synthetic", judging=judging, out=tmp_path)
    with pytest.raises(ConfigError, match=r"--dataset synthetic: has 4 classes, but .*wide.* was made for 5"):
        evaluated(config)

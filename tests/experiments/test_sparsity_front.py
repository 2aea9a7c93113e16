"""Networks that were trained as spiking ones stand side by side, and those that no other beats are marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.convert import convert
from spikewright.convert.recipe import Conversion
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, CheckpointError, ConfigError, DataError
from spikewright.core.spiking import Spiking
from spikewright.data import synthetic
from spikewright.experiments.judging import measure
from spikewright.experiments.network import load_network, load_spiking, save_conversion, save_network
from spikewright.experiments.neuron_choice import ATLIFNeurons, NeuronChoice
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.sparsity_front import (
    COLUMNS,
    SparsityRun,
    front_table,
    run_sparsity,
    summary,
)
from spikewright.experiments.training import TrainRun
from spikewright.report import Report, RunFolder


def saved(spiking: TrainRun, name: str, zeros: float = 0.0, neurons: NeuronChoice | None = None) -> str:
    """A run folder with a fresh network of which a share of the hidden weights is zero."""
    torch.manual_seed(3)
    network = spiking.network if neurons is None else replace(spiking.network, neurons=neurons)
    model = network.build()
    weight = model.get_parameter("module.3.weight")
    weight.data *= (torch.rand_like(weight) >= zeros) * 4.0
    (folder := spiking.out / name).mkdir()
    save_network(folder / "model.safetensors", model, network, {"timesteps": 4})
    return str(folder)


def swept(config: SparsityRun) -> tuple[Report, RunFolder, list[dict]]:
    folder = RunFolder.create(config.out, "front", to_json(config, REGISTRIES), {})
    seen: list[dict] = []
    return run_sparsity(config, folder, lambda row: seen.append(dict(row))), folder, seen


def test_every_network_is_a_row_with_what_it_delivers_and_costs(spiking: TrainRun) -> None:
    models = (saved(spiking, "full"), saved(spiking, "sparse", 0.75), saved(spiking, "atlif", neurons=ATLIFNeurons()))
    config = SparsityRun(
        models=models, dataset="synthetic", split="test", images=20, counted_images=6, timesteps=3, out=spiking.out
    )
    report, folder, seen = swept(config)
    (table,) = report.tables
    assert [column.name for column in table.columns] == [column.name for column in COLUMNS]
    rows = {row[0]: dict(zip((column.name for column in COLUMNS), row)) for row in table.rows}
    assert set(rows) == {"full", "sparse", "atlif"}
    assert {row["neurons"] for row in rows.values()} == {"LIF", "ATLIF"}
    assert [row["network"] for row in seen] == ["full", "sparse", "atlif"]
    assert folder.metrics() == seen
    assert (rows["full"]["weights"], rows["full"]["not zero"]) == (1196, 1196)
    assert 300 < rows["sparse"]["not zero"] < 700  # pyright: ignore[reportOperatorIssue]
    assert rows["sparse"]["synops"] < rows["full"]["synops"]  # pyright: ignore[reportOperatorIssue]
    model = load_spiking(models[0])[1]
    assert isinstance(model, Spiking)
    measured = measure(model, None, synthetic.load(split="test"), config.judging)
    assert rows["full"]["accuracy"] == measured.over_time.accuracy[-1]
    assert rows["full"]["firing rate"] == measured.spikes.firing_rate()
    assert rows["full"]["synops"] == measured.operations.totals().synops / 1e6
    assert rows["full"]["energy"] == measured.energies[-1].joule
    assert list(table.column("synops")) == sorted(table.column("synops"))  # pyright: ignore
    assert table.column("front")[0] is True  # nothing has fewer operations
    assert (folder.path / "figures" / "pareto_synops.svg").is_file()
    assert "accuracy on 20 images of the split test" in table.caption


def row(name: str, accuracy: float, synops: float) -> dict:
    return {"network": name, "accuracy": accuracy, "synops": synops, "firing rate": 0.1}


def test_networks_that_another_beats_are_not_on_the_front() -> None:
    table = front_table([row("c", 0.9, 3.0), row("b", 0.7, 2.0), row("a", 0.8, 1.0), row("d", 0.9, 4.0)], "")
    assert table.column("network") == ("a", "b", "c", "d")
    assert table.column("front") == (True, False, True, False)
    assert summary(table) == (
        "**Front of 4 networks**, by accuracy and synaptic operations per image: "
        "a (80.00 %, 1 M, firing rate 0.1000); c (90.00 %, 3 M, firing rate 0.1000)."
    )


def test_a_run_comes_back_from_json() -> None:
    config = SparsityRun(models=("one", "two"), timesteps=8, images=None)
    assert from_json(SparsityRun, to_json(config, REGISTRIES), REGISTRIES) == config


def test_bad_runs_are_named(spiking: TrainRun, own: Path, conversion: Conversion, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"SparsityRun\.models: got no network; expected run folders of `spikewri"):
        SparsityRun(models=())
    with pytest.raises(ArgumentError, match=r"SparsityRun\.models: got a, a; expected .*each once"):
        SparsityRun(models=("a", "a"))
    with pytest.raises(ArgumentError, match=r"timesteps: got 0; expected a whole number of at least 1"):
        SparsityRun(models=("a",), timesteps=0)
    base = SparsityRun(models=("x",), dataset="synthetic", split="test", out=tmp_path)
    source = load_network(f"{own}:net")
    save_conversion(
        tmp_path / "snn.safetensors",
        source,
        convert(source.model, conversion.recipe, thresholds=conversion.thresholds),
        {},
    )
    with pytest.raises(DataError, match=r"snn\.safetensors, a converted network; expected networks that were trained"):
        swept(replace(base, models=(str(tmp_path / "snn.safetensors"),)))
    with pytest.raises(CheckpointError, match=r"there is no network 'x'"):
        swept(base)
    five = replace(spiking, network=replace(spiking.network, classes=5))
    with pytest.raises(ConfigError, match=r"--dataset synthetic: has 4 classes, but .*five was made for 5"):
        swept(replace(base, models=(saved(five, "five"),)))

"""Sweeps: which points there are, that each is what a conversion alone gives, and that a stopped one goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from spikewright.convert.driver import prepare, trace_for_inference
from spikewright.convert.recipes import COS, DCGS, HMT, OPI, QCFS, SRP, RobustNorm
from spikewright.convert.rules import sites
from spikewright.convert.statistics import ErrorOptimal, GaussianOptimal, Maximum, Percentile, per_channel, per_layer
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, ConfigError
from spikewright.experiments.conversion import run_conversion
from spikewright.experiments.judging import Judging
from spikewright.experiments.pareto import pareto_front
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.sweep import SweepRun, points, run_sweep
from spikewright.experiments.sweep_report import Outcome, recipe_text
from spikewright.report import Report, RunFolder


@pytest.fixture
def config(own: Path, judging: Judging, tmp_path: Path) -> SweepRun:
    return SweepRun(
        model=f"{own}:net",
        recipes=(OPI(), COS(rho=2)),
        thresholds=(Maximum(), Percentile(percentile=99.0)),
        dataset="synthetic",
        calibration="train",
        calibration_images=64,
        judging=replace(judging, images=12, timesteps=2),
        out=tmp_path,
    )


def folder_of(config: SweepRun, name: str = "sweep") -> RunFolder:
    return RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})


def same(a: Report, b: Report) -> bool:
    parts = ("title", "summary", "tables", "figures", "notes", "references", "config")
    return all(getattr(a, part) == getattr(b, part) for part in parts)


def net(act: type[nn.Module] = nn.ReLU) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), act(), nn.Linear(3, 2))


def planned(config: SweepRun, network: nn.Module) -> list[tuple[str, str | None]]:
    found = points(config, sites(trace_for_inference(network)))
    return [(recipe_text(point.recipe), point.threshold) for point in found]


def test_every_point_is_what_a_conversion_alone_gives(config: SweepRun) -> None:
    folder = folder_of(config)
    report = run_sweep(config, folder)
    table = report.tables[0]
    assert table.title == "Sweep"
    assert table.column("recipe") == ("ANN", *["OPI"] * 4, *["COS rho=2"] * 4)
    texts = ["Maximum per layer"] * 2 + ["Percentile 99.0 per layer"] * 2
    assert table.column("threshold") == (None, *texts, *texts)
    assert table.column("T") == (None, *(1, 2) * 4)
    assert table.column("latency") == (None, *(1, 2) * 2, *(3, 4) * 2)
    assert table.column("pipeline") == (None, *(1, 2) * 2, *(5, 6) * 2)
    alone = config.conversion(OPI(threshold=Percentile(percentile=99.0)))
    result = run_conversion(alone, RunFolder.create(config.out, "alone", {}, {})).tables[0]
    for name in ("accuracy", "low", "high", "agreement", "spikes", "synops", "energy", "ratio"):
        assert (table.column(name)[0], *table.column(name)[3:5]) == result.column(name)
    for cost in ("latency", "energy"):
        expected = pareto_front(table.column(cost)[1:], table.column("accuracy")[1:])  # pyright: ignore
        assert table.column(f"{cost} front") == (None, *expected)
    assert [figure.name for figure in report.figures] == ["pareto_latency", "pareto_energy"]
    assert (folder.path / "figures" / "pareto_energy.svg").is_file()
    assert any("Calibrating Offset Spikes" in source or "Calibrating Offset" in source for source in report.references)
    assert "The most accurate spiking network is " in report.summary


def test_which_points_there_are(config: SweepRun) -> None:
    both = replace(config, recipes=(QCFS(), OPI()), thresholds=(Maximum(), ErrorOptimal()))
    both = replace(both, groups=(per_layer, per_channel))
    four = ["Maximum per layer", "Maximum per channel"]
    four += ["ErrorOptimal timesteps=8 per layer", "ErrorOptimal timesteps=8 per channel"]
    assert planned(both, net()) == [(name, text) for name in ("QCFS", "OPI") for text in four]
    assert planned(both, prepare(net(), QCFS())) == [("QCFS", "trained"), ("OPI", "trained")], "nothing to measure"
    mixed = nn.Sequential(prepare(net(), QCFS()), nn.ReLU())
    assert planned(both, mixed) == [("QCFS", "trained"), *(("OPI", text) for text in four)]


def test_recipes_with_units_are_tried_with_every_statistic(config: SweepRun) -> None:
    both = replace(config, recipes=(DCGS(), HMT()), thresholds=(Percentile(), GaussianOptimal()), groups=(per_channel,))
    two = ["Percentile 99.9 per channel", "GaussianOptimal timesteps=8 per channel"]
    assert planned(both, net()) == [(name, text) for name in ("DCGS", "HMT") for text in two]


def test_a_recipe_that_does_not_convert_is_a_row(config: SweepRun, own: Path) -> None:
    few = replace(config, thresholds=(Percentile(percentile=99.999999), Maximum()), recipes=(OPI(),))
    report = run_sweep(few, folder_of(few))
    ((name, threshold, reason),) = report.tables[1].rows
    assert (report.tables[1].title, name) == ("Not converted", "OPI")
    assert threshold == "Percentile 99.999999 per layer"
    assert "values per group for the 99.999999" in str(reason) or "expected at least" in str(reason)
    assert set(report.tables[0].column("threshold")) == {None, "Maximum per layer"}
    assert report.summary.endswith(" Not converted: OPI, Percentile 99.999999 per layer.")
    none = replace(config, model=f"{own}:smooth")
    report = run_sweep(none, folder_of(none))
    assert [table.title for table in report.tables] == ["Not converted"]
    assert report.figures == ()
    assert "no recipe converts it" in report.summary


class Stopped(Exception):
    pass


def test_a_stopped_sweep_goes_on_to_the_same_report(config: SweepRun) -> None:
    whole = run_sweep(config, folder_of(config, "whole"))
    folder = folder_of(config, "stopped")

    def stop(number: int, total: int, outcome: Outcome, known: bool) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        run_sweep(config, folder, stop)
    assert len(folder.metrics()) == 1
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"recipe": {"type": "COS", "thr')  # a kill in the middle of the second line
    seen: list[tuple[int, int, str, bool]] = []
    again = from_json(SweepRun, folder.config, REGISTRIES)
    assert again == config
    report = run_sweep(
        again, folder, lambda number, total, outcome, known: seen.append((number, total, outcome.name, known))
    )
    assert seen == [(1, 4, "OPI", True), (2, 4, "OPI", False), (3, 4, "COS rho=2", False), (4, 4, "COS rho=2", False)]
    assert same(report, whole)
    assert len(folder.metrics()) == 4
    assert same(run_sweep(again, folder), whole), "a finished one is only drawn again"
    assert len(folder.metrics()) == 4


def test_an_outcome_survives_its_line(config: SweepRun) -> None:
    folder = folder_of(config)
    run_sweep(replace(config, recipes=(RobustNorm(),), thresholds=(Maximum(),)), folder)
    (line,) = folder.metrics()
    assert Outcome.from_dict(line).to_dict() == line
    assert json.loads(json.dumps(line)) == line


def test_a_recipe_is_named_by_what_differs_from_its_defaults() -> None:
    assert recipe_text(OPI()) == "OPI"
    assert recipe_text(OPI(start=0.25, threshold=Maximum())) == "OPI start=0.25"
    assert recipe_text(SRP(tau=8, mask_threshold=0.5)) == "SRP tau=8 mask_threshold=0.5"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": ()}, r"SweepRun\.recipes: got none; expected at least one"),
        ({"thresholds": ()}, r"SweepRun\.thresholds: got none; expected at least one"),
        ({"groups": (per_layer, per_layer)}, r"SweepRun\.groups: got per_layer twice; expected different ones"),
        ({"recipes": (OPI(), OPI())}, r"SweepRun\.recipes: got OPI twice; expected different ones"),
        ({"calibration": "trian"}, r"SweepRun\.calibration: got 'trian'; expected one of train, test"),
        ({"judging": Judging(split="val")}, r"SweepRun\.judging\.split: got 'val'; expected one of train, test"),
        ({"calibration": "test"}, r"SweepRun\.calibration: got 'test', the split that is judged; expected another"),
        ({"calibration_images": 0}, r"SweepRun\.calibration_images: got 0; expected none or a whole number"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_any_work(config: SweepRun, changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        replace(config, **changes)
    with pytest.raises(ArgumentError, match=r"Judging\.timesteps: got 0; expected a whole number of at least 1"):
        replace(config, judging=Judging(timesteps=0))
    with pytest.raises(ConfigError, match=r"dataset: got 'mnits'; expected one of cifar10"):
        replace(config, dataset="mnits")


def test_the_default_config_survives_json() -> None:
    assert from_json(SweepRun, to_json(SweepRun(), REGISTRIES), REGISTRIES) == SweepRun()

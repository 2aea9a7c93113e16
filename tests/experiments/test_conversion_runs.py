"""Conversion, evaluation, diagnosis and comparison as runs: files, numbers that agree, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikewright.convert import convert
from spikewright.convert.recipe import Conversion
from spikewright.convert.recipes import COS, OPI, QCFS, SRP, RobustNorm
from spikewright.convert.start import FittedStart
from spikewright.convert.statistics import Maximum
from spikewright.core.config import from_json, to_json
from spikewright.core.errors import ArgumentError, DataError
from spikewright.data import ImageDataset
from spikewright.experiments.comparison import compare_runs
from spikewright.experiments.conversion import ConvertRun, EvaluateRun, run_conversion, run_diagnosis, run_evaluation
from spikewright.experiments.demo import PAIRS, DemoRun
from spikewright.experiments.judged_report import judgement_report
from spikewright.experiments.judging import Judging, judge
from spikewright.experiments.network import load_network
from spikewright.experiments.registries import REGISTRIES
from spikewright.experiments.training import TrainRun
from spikewright.report import Report, RunFolder


@pytest.fixture
def config(own: Path, judging: Judging, tmp_path: Path) -> ConvertRun:
    return ConvertRun(
        model=f"{own}:net",
        recipe=OPI(),
        dataset="synthetic",
        calibration="train",
        calibration_images=64,
        judging=replace(judging, images=12, timesteps=3),
        out=tmp_path,
    )


def folder_of(config: ConvertRun | EvaluateRun, name: str) -> RunFolder:
    return RunFolder.create(config.out, name, to_json(config, REGISTRIES), {})


def test_a_conversion_is_evaluated_and_diagnosed_alike(config: ConvertRun) -> None:
    folder = folder_of(config, "convert")
    report = run_conversion(config, folder)
    assert report.title == "mine by OPI"
    assert [row["timesteps"] for row in folder.metrics()] == [1, 2, 3]
    assert from_json(ConvertRun, folder.config, REGISTRIES) == config
    again = EvaluateRun(model=str(folder.path), dataset="synthetic", judging=config.judging, out=config.out)
    evaluated = run_evaluation(again, folder_of(again, "evaluate"))
    assert evaluated.tables == report.tables
    diagnosed = run_diagnosis(config, folder_of(config, "diagnose"))
    assert diagnosed.tables[0] == next(table for table in report.tables if table.title == "Error by layer")
    assert diagnosed.summary == report.notes[0]
    assert diagnosed.title == "Diagnosis of mine by OPI"
    assert report.environment["seed"] == 42


def test_thresholds_are_never_set_on_judged_images(config: ConvertRun) -> None:
    wrong = replace(config, calibration="test")
    with pytest.raises(ArgumentError, match=r"ConvertRun\.calibration: got 'test', the split that is judged; expected"):
        run_conversion(wrong, folder_of(wrong, "convert"))


def test_splits_that_a_data_set_does_not_have(config: ConvertRun) -> None:
    wrong = replace(config, judging=replace(config.judging, split="sample"))
    with pytest.raises(DataError, match=r"synthetic.*'sample'.*train.*test"):
        run_conversion(wrong, folder_of(wrong, "convert"))


def test_runs_side_by_side(config: ConvertRun, conversion: Conversion, images: ImageDataset) -> None:
    opi = judgement_report("a", conversion, judge(conversion, images, config.judging), {"seed": 1}, {})
    other = convert(conversion.source, RobustNorm(), torch.rand(64, 3, 16, 16))
    norm = judgement_report("b", other, judge(other, images, config.judging), {"seed": 2}, {})
    two = compare_runs([("a", opi), ("b", norm)], {"python": "3"})
    (table,) = two.tables
    assert table.column("recipe") == ("OPI ANN", *["OPI"] * 3, "RobustNorm ANN", *["RobustNorm"] * 3)
    assert table.rows == opi.tables[0].rows + norm.tables[0].rows
    assert table.caption == opi.tables[0].caption
    assert set(two.config) == {"a", "b"}
    assert [figure.name for figure in two.figures] == ["accuracy", "energy"]
    assert set(two.references) == set(opi.references) | set(norm.references)
    same = compare_runs([("a", opi), ("c", opi)], {})
    assert same.tables[0].column("recipe")[:2] == ("OPI ANN (a)", "OPI (a)")
    assert same.tables[0].column("recipe")[-1] == "OPI (c)"
    with pytest.raises(
        DataError, match="report empty: got a run without a result; expected a run of convert, evaluate"
    ):
        compare_runs([("a", opi), ("empty", Report("Training", "Done."))], {})


def test_runs_with_and_without_phases_side_by_side(config: ConvertRun, images: ImageDataset, own: Path) -> None:
    network, x = load_network(f"{own}:net").model, torch.rand(64, 3, 16, 16)
    reports = []
    for recipe in (OPI(), SRP(threshold=Maximum(), tau=2), COS(threshold=Maximum(), rho=3)):
        made = convert(network, recipe, x)
        reports.append(
            (type(recipe).__name__, judgement_report("a", made, judge(made, images, config.judging), {}, {}))
        )
    (table,) = compare_runs(reports, {}).tables
    cells = zip(*(table.column(name) for name in ("recipe", "T", "latency", "pipeline")))
    at_3 = {row[0]: row[1:] for row in cells if row[1] == 3}
    assert at_3 == {"OPI": (3, 3, 3), "SRP": (3, 5, 5), "COS": (3, 6, 9)}


def test_a_rehearsal_costs_spikes_and_energy(config: ConvertRun, images: ImageDataset, own: Path) -> None:
    """With masks that let everything pass, T = 1 after two steps costs what three steps of the plain network cost."""
    network, x = load_network(f"{own}:net").model, torch.rand(64, 3, 16, 16)
    arguments = {"threshold": Maximum(), "start": 0.5}
    plain = judge(convert(network, QCFS(**arguments), x), images, replace(config.judging, timesteps=3))
    open_masks = convert(network, SRP(**arguments, tau=2, mask_threshold=-1e6), x)
    rehearsed = judge(open_masks, images, replace(config.judging, timesteps=1))
    assert rehearsed.over_time.phases.rehearsal == 2
    one, three = rehearsed.table("SRP"), plain.table("QCFS")
    assert one.column("T") == (None, 1)
    assert one.column("MACs")[-1] == three.column("MACs")[-1]
    assert one.column("spikes")[-1] > three.column("spikes")[1]
    assert one.column("energy")[-1] > three.column("energy")[1]


def test_below_its_window_cos_costs_what_the_window_costs(config: ConvertRun, images: ImageDataset, own: Path) -> None:
    """Every layer needs rho steps of the layer before it, whatever T."""
    made = convert(load_network(f"{own}:net").model, COS(threshold=Maximum(), rho=3), torch.rand(64, 3, 16, 16))
    table = judge(made, images, replace(config.judging, timesteps=4, at=(1, 2, 3, 4))).table("COS")
    for name in ("spikes", "synops", "MACs", "energy"):
        _, one, two, three, four = table.column(name)
        assert one == two == three < four


def test_a_diagnosis_splits_errors_by_step_and_cause(config: ConvertRun) -> None:
    report = run_diagnosis(config, folder := folder_of(config, "diagnose"))
    titles = [table.title for table in report.tables]
    assert titles == [
        *("Error by layer", "Causes", "Cases of unevenness", "Offset spikes", "Error over time", "Converted sites")
    ]
    assert {figure.name for figure in report.figures} == {"layer_error", "error_over_time", "causes", "offsets"}
    over_time = report.tables[4]
    steps = config.judging.diagnosed_timesteps
    assert over_time.column("T") == tuple(range(1, steps + 1)) * 2
    last = [row[2] for row in over_time.rows if row[1] == steps]
    assert last == list(report.tables[0].column("error"))
    assert (folder.path / "figures" / "causes.svg").is_file()


def test_fitted_starts_are_kept_with_the_conversion(config: ConvertRun) -> None:
    config = replace(config, recipe=RobustNorm())  # starts at 0, where the fitted ones are near 1/2
    fitted = replace(config, fit_start=FittedStart(timesteps=3, images=20))
    folder = folder_of(fitted, "convert")
    report = run_conversion(fitted, folder)
    again = EvaluateRun(model=str(folder.path), dataset="synthetic", judging=config.judging, out=config.out)
    assert run_evaluation(again, folder_of(again, "evaluate")).tables == report.tables
    assert run_conversion(config, folder_of(config, "plain")).tables[0] != report.tables[0]


@pytest.mark.parametrize("config_of", [ConvertRun, TrainRun, DemoRun, lambda: EvaluateRun(model="x")])
def test_every_default_config_survives_json(config_of) -> None:
    made = config_of()
    assert from_json(type(made), to_json(made, REGISTRIES), REGISTRIES) == made


@pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: getattr(kind, "__name__", str(kind)))
def test_every_registered_name_survives_json(kind: type) -> None:
    from dataclasses import field, make_dataclass

    for name in REGISTRIES[kind]:
        holder = make_dataclass("Holder", [("part", kind, field())], frozen=True)
        made = from_json(holder, {"part": name}, REGISTRIES)
        assert from_json(holder, to_json(made, REGISTRIES), REGISTRIES) == made


def test_the_demo_shows_a_prepared_and_a_plain_network() -> None:
    assert [(name, type(recipe).__name__) for name, recipe in PAIRS] == [
        ("cifar10_resnet20_qcfs_l4", "QCFS"),
        ("cifar10_resnet20_relu", "OPI"),
    ]

"""convert, evaluate, diagnose and report: the files of a run, and runs made from earlier ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from spikewright.convert import ErrorOptimal, GaussianOptimal, Levels, per_channel, per_neuron
from spikewright.core.errors import CheckpointError
from spikewright.experiments.network import load_conversion
from spikewright.report import Report

from .conftest import Run, only

ALWAYS = {"config.json", "environment.json", "metrics.jsonl", "report.json", "report.md", "report.html"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_convert_writes_a_run_folder_that_can_be_run_again(
    run: Run, own: Path, calibrated: list[str], tmp_path: Path
) -> None:
    ran = run("convert", "--model", f"{own}:net", "--recipe.start", "0.25", *calibrated)
    assert (ran.status, ran.err) == (0, "")
    first = only(tmp_path / "runs")
    written = files(first)
    assert set(written) >= ALWAYS | {"snn.safetensors"}
    assert {name for name in written if name.startswith("figures/")} == {
        f"figures/{name}.svg" for name in ("accuracy", "density", "energy", "layer_error", "membranes", "raster")
    }
    config = json.loads(written["config.json"])
    assert config["recipe"]["type"] == "OPI"
    assert config["recipe"]["start"] == 0.25
    assert config["judging"]["timesteps"] == 3
    environment = json.loads(written["environment.json"])
    assert environment["seed"] == 42
    assert environment["versions"]["torch"]
    steps = [json.loads(line)["timesteps"] for line in written["metrics.jsonl"].splitlines()]
    assert steps == [1, 2, 3]
    assert load_conversion(str(first))[1].recipe.start == 0.25  # pyright: ignore[reportAttributeAccessIssue]

    assert ran.out.splitlines()[0] == f"Run folder: {first}"
    assert ran.out.splitlines()[-1] == f"Report: {first / 'report.html'}"
    assert max(len(line) for line in ran.out.splitlines()[1:-1]) <= 80
    table = Report.from_json(written["report.json"].decode()).tables[0]
    for accuracy in table.column("accuracy"):
        assert f" {100 * float(accuracy):.2f} " in ran.out  # pyright: ignore[reportArgumentType]
    assert "ratio: Energy divided by that of the source network." in ran.out
    assert "**" not in ran.out

    ran = run("convert", "--config", first / "config.json", "--judging.at", "1")
    assert ran.status == 0
    (second,) = set((tmp_path / "runs").iterdir()) - {first}
    again = json.loads((second / "config.json").read_text())
    assert again["judging"].pop("at") == [1]
    assert config["judging"].pop("at") == [1, 2, 4, 8, 16, 32]
    assert again == config
    retold = Report.from_json((second / "report.json").read_text()).tables[0]
    assert retold.column("T") == (None, 1, 3)
    assert retold.rows == tuple(table.rows[row] for row in (0, 1, 3))


def test_evaluate_diagnose_and_report(
    run: Run, own: Path, calibrated: list[str], small: list[str], tmp_path: Path
) -> None:
    assert run("convert", "--model", f"{own}:net", *calibrated).status == 0
    converted = only(tmp_path / "runs")
    evaluated = run("evaluate", converted, *small[:-1], tmp_path / "evaluated")
    assert evaluated.status == 0
    other = only(tmp_path / "evaluated")
    assert set(files(other)) >= ALWAYS
    tables = [Report.from_json((folder / "report.json").read_text()).tables[0] for folder in (converted, other)]
    assert tables[0] == tables[1]

    diagnosed = run("diagnose", "--model", f"{own}:net", *calibrated[:-1], tmp_path / "diagnosed")
    assert diagnosed.status == 0
    assert set(files(only(tmp_path / "diagnosed"))) >= ALWAYS - {"metrics.jsonl"} | {"figures/layer_error.svg"}
    assert "Error by layer" in diagnosed.out
    assert len(re.findall(r"error\s+(?:exceeds|is)", " ".join(diagnosed.out.split()))) <= 1, "the verdict stands once"
    assert max(len(line) for line in diagnosed.out.splitlines()[1:-1]) <= 80

    before = files(converted)
    for name in before:
        if name not in ("report.json", "config.json", "environment.json", "metrics.jsonl", "snn.safetensors"):
            (converted / name).unlink()
    ran = run("report", converted)
    assert (ran.status, ran.out) == (0, f"Drawn again: {converted / 'report.html'}\n")
    assert files(converted) == before

    ran = run("report", converted, other, "--out", tmp_path / "compared")
    assert ran.status == 0
    compared = only(tmp_path / "compared")
    assert compared.name.endswith("-comparison")
    assert json.loads((compared / "config.json").read_text()) == {"runs": [converted.name, other.name]}
    table = Report.from_json((compared / "report.json").read_text()).tables[0]
    assert len(table.rows) == 2 * len(tables[0].rows)
    assert {"figures/accuracy.svg", "figures/energy.svg"} <= set(files(compared))
    assert max(len(line) for line in ran.out.splitlines()[:-1]) <= 80

    ran = run("report", converted, only(tmp_path / "diagnosed"), "--out", tmp_path / "compared")
    assert ran.status == 2
    assert "got a run without a result; expected a run of convert, evaluate or demo" in ran.err


def test_a_run_that_did_not_end_has_no_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    ran = run("report", tmp_path)
    assert ran.status == 2
    assert "got no report.json; expected a run that came to its end" in ran.err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", r"config\.json: cannot be read .*; expected a config\.json"),
        ('{"recipe": "qfcs"}', r"recipe: got 'qfcs'; expected one of COS, DCGS, HMT, OPI"),
        ('{"timesteps": 3}', r"timesteps: got an unknown field; .* nearest is judging\.timesteps"),
    ],
)
def test_a_config_file_that_does_not_fit(text: str, line: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    ran = run("convert", "--config", tmp_path / "config.json", "--out", tmp_path / "runs")
    assert ran.status == 2
    assert re.search(line, ran.err)
    assert not (tmp_path / "runs").exists()


def test_values_begin_in_one_place(run: Run, tmp_path: Path) -> None:
    ran = run("train", "--config", tmp_path / "config.json", "--experiment", "cifar10_resnet20_relu")
    assert (ran.status, ran.out) == (2, "")
    assert "--config: got --experiment too; expected one place where the values begin" in ran.err


def test_a_model_that_does_not_convert(run: Run, own: Path, calibrated: list[str]) -> None:
    ran = run("convert", "--model", f"{own}:smooth", *calibrated)
    assert ran.status == 2
    first, second, _ = ran.err.splitlines()
    assert first == "spikewright convert: OPI: no rule handles 1 operation:"
    assert second.startswith("  0.1 (SiLU): it is not a count of spikes; train with ReLU or QCFS instead")


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["convert", "--model", "nowhere"], "there is no network 'nowhere'"),
        (["convert", "--dataset", "nothing"], "got 'nothing'"),
        (["convert", "--recipe", "opi", "--calibration", "test"], "the split that is judged"),
        (["diagnose", "--model", "nowhere.safetensors"], "there is no file 'nowhere.safetensors'"),
        (["evaluate", "nowhere"], "there is no network 'nowhere'"),
        (["sweep", "--model", "nowhere"], "there is no network 'nowhere'"),
        (["convert", "--model", "runs/nowhere"], "there is no file 'runs/nowhere', nor a run folder"),
        (["demo", "--judging.split", "nothing"], "nothing"),
        (["train", "--dataset", "nothing"], "got 'nothing'"),
        (["train", "--dataset", "synthetic", "--network.classes", "4", "--weights", "nowhere"], "no network 'nowhere'"),
    ],
)
def test_a_run_that_fails_at_its_start_leaves_no_folder(
    run: Run, small: list[str], tmp_path: Path, argv: list[str], error: str
) -> None:
    out = tmp_path / "runs"
    flags = small if argv[0] in ("convert", "diagnose") and "--dataset" not in argv else ["--out", str(out)]
    ran = run(*argv, *flags)
    assert ran.status == 2
    assert error in ran.err
    assert list(out.iterdir()) == []
    if argv[0] != "train":  # which tells its folder before it loads data, to be resumed
        assert "Run folder" not in ran.out


def test_a_run_that_fails_later_keeps_what_it_wrote(
    run: Run, own: Path, calibrated: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spikewright.experiments import conversion

    def full(*arguments: object) -> None:
        raise CheckpointError("no space left")

    monkeypatch.setattr(conversion, "save_conversion", full)
    assert run("convert", "--model", f"{own}:net", *calibrated).status == 2
    assert set(files(only(tmp_path / "runs"))) == {"config.json", "environment.json", "metrics.jsonl"}


def test_levels_are_given_by_their_fields(run: Run, own: Path, calibrated: list[str], tmp_path: Path) -> None:
    flags = ["--recipe.threshold", "GaussianOptimal", "--recipe.threshold.groups", "per_neuron"]
    flags += ["--recipe.threshold.levels.density", "4", "--recipe.threshold.levels.lowest", "0"]
    ran = run("convert", "--model", f"{own}:net", *calibrated, *flags, "--recipe.threshold.levels.highest", "8")
    assert (ran.status, ran.err) == (0, "")
    conversion = load_conversion(str(only(tmp_path / "runs")))[1]
    expected = GaussianOptimal(groups=per_neuron, levels=Levels(4, 0, 8))
    assert conversion.recipe.threshold == expected  # pyright: ignore[reportAttributeAccessIssue]


def test_a_threshold_is_chosen_by_name_and_refined(run: Run, own: Path, calibrated: list[str], tmp_path: Path) -> None:
    flags = ["--recipe.threshold", "ErrorOptimal", "--recipe.threshold.timesteps", "3"]
    flags += ["--recipe.threshold.groups", "per_channel"]
    ran = run("convert", "--model", f"{own}:net", *calibrated, *flags)
    assert (ran.status, ran.err) == (0, "")
    folder = only(tmp_path / "runs")
    threshold = json.loads((folder / "config.json").read_text())["recipe"]["threshold"]
    assert threshold == {"type": "ErrorOptimal", "groups": "per_channel", "timesteps": 3, "levels": None}
    conversion = load_conversion(str(folder))[1]
    assert conversion.recipe.threshold == ErrorOptimal(timesteps=3, groups=per_channel)  # pyright: ignore[reportAttributeAccessIssue]
    assert conversion.thresholds["0.1"].shape == (4, 1, 1)
    ran = run("convert", "--model", f"{own}:net", *calibrated, *flags[:2], "--recipe.threshold.timesteps", "0")
    assert ran.status == 2
    assert ran.err == (
        "spikewright convert: --recipe.threshold.timesteps: got 0; expected a whole number of at least 1. Give the "
        "number of time steps that the network is to be run for.\n"
    )

"""An ordinary policy made spiking: actions come nearer with T, costs are counted, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spikewright.cli.main import main
from spikewright.convert import DCGS, OPI, QCFS
from spikewright.core.errors import ArgumentError, ConversionError
from spikewright.experiments.control_conversion import (
    ConvertActorRun,
    convert_actor,
    run_convert_actor,
    spiking_policy,
)
from spikewright.report import RunFolder
from spikewright.rl import OrdinaryActor, Space, SpikingActor, save_actor

SPACE = Space(3, (-2.0,), (2.0,))
"""That of Pendulum-v1."""


@pytest.fixture
def actor() -> OrdinaryActor:
    torch.manual_seed(0)
    return OrdinaryActor(SPACE, hidden=(16, 16))


@pytest.fixture
def file(actor, tmp_path) -> Path:
    save_actor(tmp_path / "actor.safetensors", actor, "Pendulum-v1")
    return tmp_path / "actor.safetensors"


@pytest.mark.parametrize("recipe", [OPI(), DCGS()], ids=lambda recipe: type(recipe).__name__)
def test_actions_come_nearer_with_every_doubling_of_t(actor, recipe) -> None:
    x = torch.randn(256, 3, generator=torch.Generator().manual_seed(1))
    conversion = convert_actor(actor, recipe, x)
    with torch.no_grad():
        errors = [float((spiking_policy(conversion, actor, t)(x) - actor(x)).abs().mean()) for t in (1, 4, 16, 64)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 < errors[0]


def test_actions_stay_within_their_bounds(actor) -> None:
    x = 100 * torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
    policy = spiking_policy(convert_actor(actor, OPI(), x), actor, 2)
    assert bool((policy(x).abs() <= 2).all())


def test_the_report_has_a_row_for_the_ordinary_actor_and_every_t(file, tmp_path) -> None:
    config = ConvertActorRun(actor=file, timesteps=(8, 1), episodes=1, calibration_episodes=1)
    with RunFolder.begin(tmp_path / "runs", "convert", {}, {}) as folder:
        report = run_convert_actor(config, folder)
    ordinary, last, first = (
        dict(zip((c.name for c in report.tables[0].columns), row)) for row in report.tables[0].rows
    )
    assert (ordinary["T"], first["T"], last["T"]) == (None, 1, 8)
    assert ordinary["action error"] == 0 < last["action error"] < first["action error"]
    assert ordinary["MACs"] == 3 * 16 + 16 * 16 + 16
    assert last["spikes"] > first["spikes"] > 0
    curve = report.tables[1]
    assert curve.column("method") == ("OPI", "OPI", "ordinary", "ordinary")
    assert curve.column("step") == (1, 8, 1, 8)
    assert curve.column("mean") == (first["mean return"], last["mean return"], *[ordinary["mean return"]] * 2)
    assert set(curve.column("low")) == {None}, "of a single episode"
    assert report.figures[0].options["axis"] == "time steps T of a decision (log scale)"


def test_the_interval_is_that_of_few_episodes_and_a_picked_t_is_said(file, tmp_path) -> None:
    config = ConvertActorRun(actor=file, timesteps=(1, 2, 4, 8), episodes=2, calibration_episodes=1)
    with RunFolder.begin(tmp_path / "runs", "convert", {}, {}) as folder:
        report = run_convert_actor(config, folder)
    table = report.tables[0]
    for low, mean, high, deviation in zip(*(table.column(c) for c in ("low", "mean return", "high", "deviation"))):
        assert high - mean == pytest.approx(12.706 * deviation / 2**0.5, rel=1e-3)
        assert mean - low == pytest.approx(high - mean)
    assert report.tables[1].column("low")[0] == table.column("low")[1]
    assert "at T = 8, the ordinary actor's" in report.summary
    best = max(table.rows[1:], key=lambda row: row[2])
    assert ("picked by these very episodes" in report.summary) == (best[1] != 8)


def test_the_command_line_converts(file, tmp_path, capsys) -> None:
    words = ["rl", "--convert", str(file), "--recipe", "HMT", "--timesteps", "1,2", "--episodes", "1"]
    assert main([*words, "--calibration_episodes", "1", "--out", str(tmp_path / "runs")]) == 0
    assert "HMT" in capsys.readouterr().out
    assert list((tmp_path / "runs").glob("*-convert-actor/report.html"))


def test_what_does_not_fit_is_refused_and_leaves_no_folder(file, tmp_path, capsys) -> None:
    words = ["rl", "--convert", str(file), "--out", str(tmp_path / "runs"), "--calibration_episodes", "1"]
    assert main([*words, "--recipe", "QCFS"]) == 2
    assert "ReLU" in capsys.readouterr().err
    spiking = tmp_path / "spiking.safetensors"
    save_actor(spiking, SpikingActor(SPACE, hidden=(8,)), "Pendulum-v1")
    assert main([*words[:2], str(spiking), *words[3:]]) == 2
    assert "--convert: got a LIF actor; expected an ordinary one." in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*"))


def test_wrong_arguments_are_named(actor) -> None:
    with pytest.raises(ArgumentError, match=r"ConvertActorRun\.timesteps: got 1, 1; expected numbers of steps"):
        ConvertActorRun(actor=Path("x"), timesteps=(1, 1))
    with pytest.raises(ArgumentError, match=r"ConvertActorRun\.costs: got 'none'; expected one of"):
        ConvertActorRun(actor=Path("x"), costs="none")
    with pytest.raises(ArgumentError, match=r"convert_actor\.actor: got SpikingActor; expected an OrdinaryActor"):
        convert_actor(SpikingActor(SPACE, hidden=(8,)), OPI(), torch.zeros(2, 3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConversionError):
        convert_actor(actor, QCFS(), torch.zeros(2, 3))

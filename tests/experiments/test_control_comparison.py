"""Control runs side by side: rows by task, curves of all, gains by hand, and what differs is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spikewright.cli.main import main
from spikewright.core.config import to_json
from spikewright.core.errors import DataError
from spikewright.experiments.control import ControlRun
from spikewright.experiments.control_comparison import compare_controls, gain_table
from spikewright.experiments.control_jobs import Outcome
from spikewright.experiments.control_report import RESULT, control_report
from spikewright.experiments.decision import Decision
from spikewright.experiments.registries import REGISTRIES
from spikewright.report import Report, RunFolder, Table
from spikewright.rl import LIFChoice, LoopConfig, OrdinaryChoice

RUN = ControlRun(
    task=("A-v0", "B-v0"), actor=LIFChoice(hidden=(8,)), loop=LoopConfig(steps=20, random_steps=5), seeds=(0, 3)
)
NONE = Decision(None, None, 0.0, 10.0, 1e-9, 1, None)


def reported(config: ControlRun, returns: float) -> Report:
    """The report of a run whose seeds reach the given return, twice as much on the second task."""
    outcomes = [
        Outcome(task, seed, 20, 20, 1.0, 0, ((0, (1.0,)), (20, (returns * (1 + config.task.index(task)),))), (), NONE)
        for task in config.task
        for seed in config.seeds
    ]
    return control_report(config, to_json(config, REGISTRIES), {}, outcomes, {}, {}, {})


def test_rows_stand_by_task_and_curves_in_one_figure() -> None:
    other = replace(RUN, actor=OrdinaryChoice(hidden=(8,)), task=("B-v0",), seeds=(5, 3))
    report = compare_controls([("a", reported(RUN, 100.0)), ("b", reported(other, 300.0))], {"python": "3"})
    result, curve, gain = report.tables
    assert result.column("task") == ("A-v0", "B-v0", "B-v0")
    assert result.column("method") == ("PT-LIF, TD3", "PT-LIF, TD3", "PT-ANN, TD3")
    assert result.column("best") == (100.0, 200.0, 300.0)
    assert curve.column("seed 5") == (None, None, None, None, 1.0, 300.0)
    assert curve.column("seed 0")[:2] == (1.0, 100.0)
    assert gain.title == "Gain over PT-LIF, TD3"
    assert gain.column("gain of best") == (0.5,)
    assert report.summary.startswith("A-v0: PT-LIF, TD3 **50.5** (50.5 to 50.5). B-v0: ")
    assert report.figures[0].name == "learning_curve"
    assert set(report.config) == {"a", "b"}


def test_runs_of_one_method_go_by_their_names_and_what_differs_is_said() -> None:
    longer = replace(RUN, loop=LoopConfig(steps=30, random_steps=5), costs="sop_77fj", seeds=(0,))
    report = compare_controls([("a", reported(RUN, 1.0)), ("b", reported(longer, 1.0))], {})
    assert report.tables[0].column("method") == ("PT-LIF, TD3 (a)", "PT-LIF, TD3 (b)") * 2
    said = " ".join(report.notes)
    assert "**loop.steps differs**" in said
    assert "PT-LIF, TD3 (a): 20; PT-LIF, TD3 (b): 30." in said
    assert "**costs differs**" in said
    assert "PT-LIF, TD3 (b): Energy by the cost table sop_77fj" in said
    assert "loop.episodes" not in said
    assert said.count("Fewer than five seeds") == 1


def test_gains_by_hand() -> None:
    def row(task: str, method: str, best: float, last: float) -> tuple:
        return (task, method, 1, best, last, *[None] * (len(RESULT) - 5))

    rows = row("A", "x", 100, 50), row("A", "y", 150, 40), row("B", "x", 10, -5), row("B", "y", 11, -1)
    gain = gain_table(Table("Returns", RESULT, (*rows, row("C", "y", 1, 1))), "x")
    assert gain.column("task") == ("A", "B", "mean over tasks")
    assert gain.column("gain of best") == pytest.approx((0.5, 0.1, 0.3))
    assert gain.column("gain of last") == (pytest.approx(-0.2), None, None)
    assert gain.column("difference of last") == (-10, 4, None)


def test_what_is_no_training_is_refused() -> None:
    one = reported(RUN, 1.0)
    with pytest.raises(
        DataError, match=r"report b: got a run without returns over a training; expected trainings of rl"
    ):
        compare_controls([("a", one), ("b", Report("Demo", "Done."))], {})
    both = compare_controls([("a", one), ("b", one)], {})
    with pytest.raises(DataError, match=r"report c: got a comparison; expected trainings of rl alone"):
        compare_controls([("a", one), ("c", both)], {})


def test_the_command_line_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [RunFolder.create(tmp_path / name, "run", {}, {}) for name in ("one", "two")]
    for folder, returns in zip(folders, (10.0, 20.0)):
        folder.write(reported(RUN, returns))
    paths = [str(folder.path) for folder in folders]
    assert main(["report", *paths, "--out", str(tmp_path / "runs")]) == 0
    (made,) = (tmp_path / "runs").glob("*-comparison")
    assert (made / "figures" / "learning_curve.svg").is_file()
    assert max(map(len, capsys.readouterr().out.splitlines()[:-1])) <= 80
    assert main(["report", paths[0], paths[0], "--out", str(tmp_path / "runs")]) == 2
    assert "twice; expected each run folder once" in capsys.readouterr().err

"""The command itself: help, version, and one readable line for every mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from spikewright.cli import main as main_module
from spikewright.cli.main import VERBS, main

from .conftest import Run


def mistake(run: Run, *argv: object) -> str:
    """The one line that a command with a mistake prints to standard error."""
    ran = run(*argv)
    assert ran.status == 2
    assert "Traceback" not in ran.err + ran.out
    (line,) = ran.err.splitlines()
    return line


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",)])
def test_help_names_every_verb(argv: tuple[str, ...], run: Run) -> None:
    ran = run(*argv)
    assert ran.status == 0
    assert all(f"  {verb} " in ran.out for verb in VERBS)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"{version('spikewright')}\n", "")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_shows_each_flag_once(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: spikewright {verb}")
    flags = Counter(re.findall(r"^  (?:-h, )?(--[\w.]+)", out, re.MULTILINE))
    assert flags.pop("--help") == 1
    assert flags, "no flag is shown"
    assert set(flags.values()) == {1}
    assert not re.search(r"\(\(|\)\)| \( ", out)
    known = {"train": ("--experiment NAME", "--resume FOLDER", "--config FILE"), "convert": ("--config FILE",)}
    known["sweep"] = ("--resume FOLDER", "--config FILE")
    assert all(flag in " ".join(out.split()) for flag in known.get(verb, ()))


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("convret",), r"spikewright: got the verb 'convret'; expected one of demo, train, robust, "),
        (("train", "--epochs", "3"), r"spikewright train: --epochs: got an unknown flag; .*--fit\.epochs"),
        (("train", "--fit.epochs", "many"), r"spikewright train: --fit\.epochs: got 'many'; expected a whole number"),
        (("train", "--experiment", "cifar11"), r"--experiment: got 'cifar11'; expected one of cifar10_cnn_at, "),
        (("train", "--experiment"), r"--experiment: got no value; expected one after it"),
        (("train", "--resume", "nowhere"), r"nowhere: got nothing there; expected the folder of a run"),
        (("convert", "--config", "none.json"), r"--config none\.json: cannot be read .*; expected a config\.json"),
        (
            ("convert", "--recipe", "qfcs"),
            r"--recipe: got 'qfcs'; expected one of COS, DCGS, HMT, OPI, QCFS, RobustNorm, SRP",
        ),
        (
            ("convert", "--judging.timesteps", "0"),
            r"--judging\.timesteps: got 0; expected a whole number of at least 1",
        ),
        (("convert", "--judging.costs", "gold"), r"costs: got 'gold'; expected one of float32_45nm"),
        (("evaluate",), r"spikewright evaluate: --model: got no value; expected text"),
        (("check",), r"spikewright check: --model: got no value; expected text"),
        (("check", "resnet21"), r"model: there is no network 'resnet21'; expected one of cifar10_cnn_at"),
        (("check", "none.py:net"), r"model: there is no file none\.py; expected file\.py:function"),
        (("report",), r"spikewright report: got no run folder; expected one to draw again, or several to compare"),
        (("report", "nowhere"), r"nowhere: got nothing there; expected the folder of a run"),
        (("list", "--yaml"), r"spikewright list: --yaml: got an unknown flag; expected one of --json"),
        (("papers", "--year", "recent"), r"spikewright papers: --year: got 'recent'; expected a whole number"),
        (("demo", "now"), r"spikewright demo: command line: got 'now'; expected --flag VALUE, --flag or --no-flag"),
    ],
)
def test_a_mistake_is_one_line(
    argv: tuple[str, ...], line: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.search(line, mistake(run, *argv))
    assert not list(tmp_path.iterdir()), "nothing was written"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("convert", "--model", "resnet21"), r"spikewright convert: model: there is no network 'resnet21'"),
        (("convert", "--dataset", "mnits"), r"spikewright convert: dataset: got 'mnits'; expected one of cifar10, "),
        (("convert", "--judging.split", "sampel"), r"spikewright convert: .*'sampel'.*sample"),
        (("evaluate", "cifar10_resnet20_relu"), r"holds an ordinary network, not a converted one"),
        (("train", "--dataset", "mnits", "--threads", "1"), r"spikewright train: dataset: got 'mnits'"),
    ],
)
def test_a_mistake_that_shows_later_is_one_line_too(argv: tuple[str, ...], line: str, run: Run, tmp_path: Path) -> None:
    assert re.search(line, mistake(run, *argv, "--out", tmp_path))


@pytest.mark.parametrize("verb", ["demo", "train", "convert", "evaluate", "diagnose", "sweep"])
def test_no_work_begins_when_the_folder_cannot_be_written(
    verb: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*_: object, **__: object) -> None:
        raise AssertionError("work began")

    loaders = ("conversion.load_network", "conversion.load_spiking", "demo.load_network", "sweep.load_network")
    for place in (*loaders, "training.load_dataset"):
        monkeypatch.setattr(f"spikewright.experiments.{place}", begun)
    (tmp_path / "file").write_text("")
    model = ["x.safetensors"] if verb == "evaluate" else []
    line = mistake(run, verb, *model, "--out", tmp_path / "file" / "runs")
    assert re.search(r"runs: got a file where a folder has to be; expected a folder\. Move that file away, or", line)


def test_an_interrupted_run_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spikewright.cli.convert.run_conversion", interrupted)
    ran = run("convert", "--out", tmp_path)
    assert (ran.status, ran.err) == (130, "spikewright convert: interrupted; what was written so far is kept.\n")


def test_the_installed_command_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["spikewright", "nothing"])
    with pytest.raises(SystemExit) as stopped:
        main_module.entry()
    assert stopped.value.code == 2


def test_python_m_and_a_reader_that_leaves_early() -> None:
    command = [sys.executable, "-m", "spikewright", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 1

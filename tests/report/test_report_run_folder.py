"""A run folder is there before the work, and a failure never costs what is already written."""

import errno
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikewright.report import Column, FigureSpec, Report, ReportError, RunFolder, RunFolderError, Table
from spikewright.report import run as run_module


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", "convert", {"timesteps": (1, 2)}, {"seed": 0})


def report(*figures: FigureSpec) -> Report:
    table = Table("Accuracy", (Column("T"), Column("accuracy", "%")), ((1, 0.5), (2, 0.75)))
    drawn = FigureSpec("accuracy", "accuracy_over_time", "Accuracy.", "Accuracy")
    return Report("A run", "Done.", {"timesteps": [1, 2]}, {"seed": 0}, (table,), (drawn, *figures))


def test_folder_holds_configuration_before_any_work(run: RunFolder) -> None:
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "environment.json"]
    assert json.loads((run.path / "config.json").read_text()) == {"timesteps": [1, 2]}
    assert run.config == {"timesteps": [1, 2]}
    assert run.environment == {"seed": 0}


def fail_after(root: Path, work: Callable[[RunFolder], object], error: BaseException | type[BaseException]) -> None:
    with RunFolder.begin(root, "convert", {}, {}) as run:
        assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "environment.json"]
        work(run)
        raise error


def test_a_block_that_fails_at_once_leaves_no_folder(tmp_path: Path) -> None:
    kept = RunFolder.create(tmp_path, "other", {}, {})
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail_after(tmp_path, lambda run: None, error)
        assert list(tmp_path.iterdir()) == [kept.path]


CHANGES = {
    "a file": (lambda run: run.log(epoch=1), {"config.json", "environment.json", "metrics.jsonl"}),
    "a folder": (lambda run: (run.path / "figures").mkdir(), {"config.json", "environment.json", "figures"}),
    "one file less": (lambda run: (run.path / "config.json").unlink(), {"environment.json"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_block_that_changed_something_keeps_its_folder(tmp_path: Path, name: str) -> None:
    change, left = CHANGES[name]
    with pytest.raises(ValueError, match="late"):
        fail_after(tmp_path, change, ValueError("late"))
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == left


def test_a_block_that_ends_keeps_its_folder(tmp_path: Path) -> None:
    with RunFolder.begin(tmp_path, "convert", {}, {}) as run:
        pass
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "environment.json"]


def test_folder_is_named_after_time_and_run(run: RunFolder) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-convert", run.path.name)


def test_two_runs_in_the_same_second_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(run_module.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 3, 1, 14, 5, 9)

    monkeypatch.setattr(run_module, "datetime", Stopped)
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(RunFolder.create(tmp_path, "demo", {}, {}).path.name))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["2026-03-01-140509-demo"] + [f"2026-03-01-140509-demo-{i}" for i in (2, 3, 4)]


def test_metrics_are_on_disk_line_by_line(run: RunFolder) -> None:
    assert run.metrics() == []
    run.log(epoch=1, loss=np.float32(0.5))
    assert (run.path / "metrics.jsonl").read_text() == '{"epoch": 1, "loss": 0.5}\n'
    RunFolder.open(run.path).log(epoch=2, loss=float("inf"))
    assert run.metrics() == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("inf")}]


def test_a_torn_last_line_is_left_out_and_then_overwritten(run: RunFolder) -> None:
    run.log(epoch=1)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "lo')
    assert run.metrics() == [{"epoch": 1}]
    run.log(epoch=3)
    assert run.metrics() == [{"epoch": 1}, {"epoch": 3}]


def test_a_broken_line_in_the_middle_is_named(run: RunFolder) -> None:
    (run.path / "metrics.jsonl").write_text('{"epoch": 1}\n{"ep\n{"epoch": 3}\n')
    with pytest.raises(ReportError, match=r"metrics\.jsonl, line 2: got broken JSON"):
        run.metrics()


def test_write_leaves_the_whole_run_and_open_reads_it(run: RunFolder) -> None:
    run.write(report())
    names = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file())
    assert names == [
        "config.json",
        "environment.json",
        "figures/accuracy.svg",
        "report.html",
        "report.json",
        "report.md",
        "tables/01-accuracy.csv",
    ]
    assert RunFolder.open(str(run.path)).report() == report()
    assert (run.path / "tables/01-accuracy.csv").read_text() == "T,accuracy [fraction]\n1,0.5\n2,0.75\n"
    assert (run.path / "figures/accuracy.svg").read_text().startswith("<?xml")


def test_redraw_makes_everything_again_from_the_numbers(run: RunFolder) -> None:
    run.write(report())
    files = [run.path / name for name in ("report.md", "report.html", "figures/accuracy.svg", "tables/01-accuracy.csv")]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    RunFolder.open(run.path).redraw()
    assert [file.read_bytes() for file in files] == before


def test_numbers_and_text_survive_a_figure_that_cannot_be_drawn(run: RunFolder) -> None:
    with pytest.raises(ReportError, match="got an array of shape"):
        run.write(report(FigureSpec("bad", "raster", "c", arrays={"spikes": [1, 2]})))
    assert run.report().tables[0].rows == ((1, 0.5), (2, 0.75))
    assert (run.path / "report.md").is_file()


def test_missing_and_broken_reports_are_named(run: RunFolder) -> None:
    with pytest.raises(RunFolderError, match=r"got no report\.json; expected a run that came to its end"):
        run.report()
    (run.path / "report.json").write_text('{"format": 1, ')
    with pytest.raises(ReportError, match=r"report\.json: got broken JSON .*Restore the file, or run again"):
        run.report()
    (run.path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=r"report\.json: got a file that cannot be read .*expected text"):
        run.report()


def test_open_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="got nothing there; expected the folder of a run"):
        RunFolder.open(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="got a file; expected the folder of a run"):
        RunFolder.open(tmp_path / "file")
    with pytest.raises(RunFolderError, match=r"got a folder without config\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a b"])
def test_names_that_no_folder_should_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReportError, match=r"RunFolder name: got .*; expected letters, digits"):
        RunFolder.create(tmp_path, name, {}, {})


def test_a_configuration_that_is_not_plain_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"config\.model: got object"):
        RunFolder.create(tmp_path, "demo", {"model": object()}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, below: bool) -> None:
    (tmp_path / "runs").write_text("I was here first")
    root = tmp_path / "runs" / "deep" if below else tmp_path / "runs"
    with pytest.raises(RunFolderError, match=r"got a file where a folder has to be; expected a folder\. Move") as e:
        RunFolder.create(root, "demo", {}, {})
    assert e.value.errno in (errno.ENOTDIR, errno.EEXIST)
    assert (tmp_path / "runs").read_text() == "I was here first"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "got no space left on the disk; expected a disk with free space. Free some space, or choose"),
        (errno.EDQUOT, "got the disk quota used up"),
        (errno.EIO, "got .*; expected a folder that can be written. Choose another folder"),
    ],
)
def test_a_full_disk_is_noticed_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunFolderError, match=message):
        RunFolder.create(tmp_path, "demo", {}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_nearly_full_disk_is_noticed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, write = [100_000], os.write

    def nearly_full(handle: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "full")
        written = write(handle, bytes(data[: left[0]]))
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(RunFolderError, match="no space left"):
        RunFolder.create(tmp_path, "demo", {}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EACCES, "got no permission to write"), (errno.EROFS, "got a read-only disk; .* Choose another folder")],
)
def test_no_permission_to_make_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def refuse(*args, **kwargs) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunFolderError, match=message):
        RunFolder.create(tmp_path, "demo", {}, {})


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_on_a_real_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="got no permission to write"):
        RunFolder.create(tmp_path, "demo", {}, {})


def test_a_write_that_fails_leaves_the_old_file_whole(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write(report())
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(RunFolderError, match=r"report\.json: got no space left"):
            run.write(Report("Another", "Text."))
        with pytest.raises(RunFolderError, match=r"metrics\.jsonl: got no space left"):
            run.log(epoch=1)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if data} == before


def test_a_file_system_that_writes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, bytes(data[:70_000])))
    run = RunFolder.create(tmp_path, "demo", {"text": "x" * 100_000}, {})
    assert run.config == {"text": "x" * 100_000}

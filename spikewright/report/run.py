"""RunFolder: one folder per run, with its configuration, its metrics, and its report."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spikewright.report.atomic import write_all, write_atomic
from spikewright.report.errors import ReportError, RunFolderError, explain
from spikewright.report.report import Report
from spikewright.report.strict_json import dumps, dumps_line, loads

_PROBE = 1 << 20
_FIRST = ("config.json", "environment.json")
"""What every run folder holds before any work is done."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. Make it with `create` or `begin` before any work is done, or read one back with `open`.

    It holds config.json and environment.json (from the start), metrics.jsonl (line by line while the run goes
    on), and at the end report.json, and made from it tables/*.csv, report.md, figures/*.svg and report.html.
    Every file but metrics.jsonl is replaced in one step.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     run = RunFolder.create(root, "demo", {"timesteps": 4}, {"python": "3.11"})
        ...     run.log(epoch=1, loss=0.5)
        ...     run.metrics()
        [{'epoch': 1, 'loss': 0.5}]
    """

    path: Path

    @classmethod
    def create(cls, root: str | Path, name: str, config: Any, environment: Mapping[str, Any]) -> RunFolder:
        """Make the folder `<root>/<date-time>-<name>` and prove that it can be written, before work is lost.

        Args:
            root: folder of all runs; made if it is not there.
            name: what is run: letters, digits, ".", "_" and "-".
            config: the configuration: a dict of plain values, or a dataclass.
            environment: what `environment()` returned, with device and seed.

        Raises:
            RunFolderError: no permission, no space, or a file in the place of a folder.
            ReportError: for a name that no folder can have, or a configuration that is not plain.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise ReportError(f"RunFolder name: got {name!r}; expected letters, digits, '.', '_' and '-' only.")
        files = dict(zip(_FIRST, (dumps(config, "config"), dumps(environment, "environment"))))
        run = cls(_new_folder(Path(root), f"{datetime.now():%Y-%m-%d-%H%M%S}-{name}"))
        try:
            write_atomic(run.path / "probe", bytes(_PROBE))
            (run.path / "probe").unlink()
            for file, text in files.items():
                write_atomic(run.path / file, text + "\n")
        except RunFolderError:
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return run

    @classmethod
    @contextmanager
    def begin(cls, root: str | Path, name: str, config: Any, environment: Mapping[str, Any]) -> Iterator[RunFolder]:
        """Make the folder as `create` does; a block that fails before it wrote anything more leaves no folder behind.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as root:
            ...     try:
            ...         with RunFolder.begin(root, "demo", {}, {}):
            ...             raise ValueError("there is no such data set")
            ...     except ValueError:
            ...         print(list(Path(root).iterdir()))
            []
        """
        run = cls.create(root, name, config, environment)
        try:
            yield run
        except BaseException:
            with suppress(OSError):
                run._remove_if_unused()
            raise

    def _remove_if_unused(self) -> None:
        # Whatever else lies in the folder keeps it: rmdir removes an empty one only.
        if {path.name for path in self.path.iterdir()} == set(_FIRST):
            for name in _FIRST:
                (self.path / name).unlink()
            self.path.rmdir()

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Read a run folder back.

        Raises:
            RunFolderError: if there is no such folder, or it is not that of a run.
        """
        folder = Path(path)
        if not folder.is_dir():
            met = "a file" if folder.exists() else "nothing there"
            raise RunFolderError(f"{folder}: got {met}; expected the folder of a run.")
        if not (folder / "config.json").is_file():
            raise RunFolderError(f"{folder}: got a folder without config.json; expected the folder of a run.")
        return cls(folder)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as written at the start."""
        return loads(self._read("config.json"), str(self.path / "config.json"))

    @property
    def environment(self) -> dict[str, Any]:
        """The environment as written at the start."""
        return loads(self._read("environment.json"), str(self.path / "environment.json"))

    def log(self, **numbers: Any) -> None:
        """Append one line to metrics.jsonl; once this returns, it survives a kill of the run.

        Raises:
            RunFolderError: if the disk is full or the folder is gone.
            ReportError: for a value that is not plain.
        """
        path = self.path / "metrics.jsonl"
        line = dumps_line(numbers, "metrics").encode("utf-8") + b"\n"
        try:
            _drop_torn_line(path)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                write_all(handle, line)
            finally:
                os.close(handle)
        except OSError as error:
            raise explain(error, path) from error

    def metrics(self) -> list[dict[str, Any]]:
        """Return all logged lines; a last line torn by a kill is left out.

        Raises:
            ReportError: for a broken line in the middle, by its number.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        *lines, _ = self._read(path.name).split("\n")
        return [loads(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)]

    def write(self, report: Report) -> None:
        """Write report.json, then read it back and make everything else from it.

        Raises:
            RunFolderError: if a file cannot be written; what stands before it in the order is safe.
            ReportError: for a figure that cannot be drawn; report.json and report.md are written by then.
        """
        write_atomic(self.path / "report.json", report.to_json())
        self.redraw()

    def report(self) -> Report:
        """Return the report in report.json.

        Raises:
            RunFolderError: if there is none.
            ReportError: if it is broken.
        """
        if not (self.path / "report.json").is_file():
            raise RunFolderError(
                f"{self.path}: got no report.json; expected a run that came to its end. Run it again, or resume it."
            )
        return Report.from_json(self._read("report.json"), str(self.path / "report.json"))

    def redraw(self) -> None:
        """Make tables, text, figures and the page again from report.json."""
        report = self.report()
        for table in report.tables:
            write_atomic(self._folder("tables") / f"{report.table_files()[table.title]}.csv", table.to_csv())
        write_atomic(self.path / "report.md", report.to_markdown())
        drawings = report.drawings()
        for name, svg in drawings.items():
            write_atomic(self._folder("figures") / f"{name}.svg", svg)
        write_atomic(self.path / "report.html", report.to_html(drawings))

    def _folder(self, name: str) -> Path:
        try:
            (self.path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise explain(error, self.path / name) from error
        return self.path / name

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunFolderError(
                f"{self.path / name}: got a file that cannot be read ({error}); expected text. "
                "Restore the file, or run again."
            ) from error


def _new_folder(root: Path, name: str) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, root) from error
    for again in range(1, 10_000):
        path = root / (name if again == 1 else f"{name}-{again}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise explain(error, path) from error
        return path
    raise RunFolderError(f"{root}: got 9,999 runs named {name}; expected fewer in one second.")


def _drop_torn_line(path: Path) -> None:
    # A killed run may leave half a line; the next one must not be glued to it.
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            return
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

"""spikewright redteam: implant trojans, let tools look for them, judge the tools, and ask people on a local page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ..core.config import to_json
from ..core.errors import ConfigError, sentence
from ..experiments.red_teaming import RedTeamRun, about, run_red_team
from ..experiments.registries import REGISTRIES
from ..redteam.survey import Store, answers_csv, load_study, results, serve
from ..report import RunFolder
from .show import laid_out, show, tell_folder
from .start import check_same_run, config_file, read_config, take

ALSO = (
    "--resume FOLDER goes on with a run that was stopped; flags may only change the machine and the judges. "
    "--survey FOLDER serves the questions of a run to people on a local web page (--host, --port), --results FOLDER "
    "prints what they answered, --csv FOLDER every answer in a line."
)
ANOTHER = ("judges", "threads", "data", "out")
"""What may be another one when a run is gone on with: networks, scores and galleries are kept as they were made."""
SURVEY = "survey"
"""Folder of the study in a run folder."""


def main(argv: Sequence[str]) -> int:
    """Run, print what was finished, the table, and where the report is."""
    for flag, act in (("--survey", survey), ("--results", tell_results), ("--csv", tell_answers)):
        folder, rest = take(argv, flag)
        if folder is not None:
            return act(study_folder(Path(folder)), rest)
    resumed, rest = take(argv, "--resume")
    if resumed is not None:
        folder = RunFolder.open(resumed)
        if "trojans" not in folder.config:
            raise ConfigError(
                sentence("--resume", f"{resumed}, made by another command", "the folder of a red-team run")
            )
        begun = config_file(folder.path / "config.json", RedTeamRun)
        config = read_config(rest, begun, "redteam", also=ALSO)
        check_same_run(begun, config, ANOTHER)
        return run(config, folder)
    config = read_config(rest, RedTeamRun(), "redteam", also=ALSO)
    with RunFolder.begin(config.out, "redteam", to_json(config, REGISTRIES), about(config)) as folder:
        return run(config, folder)


def run(config: RedTeamRun, folder: RunFolder) -> int:
    """Carry it out, in a new folder or in that of a run that was stopped."""
    report = run_red_team(config, folder, lambda text: print(text, flush=True), lambda: tell_folder(folder))
    show(report, folder)
    print(f"Ask people:   spikewright redteam --survey {folder.path}")
    return 0


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where the survey listens.

    Args:
        host: name or address; by default this machine alone.
        port: 0 for any that is free.
    """

    host: str = "127.0.0.1"
    port: int = 8000


def survey(folder: Path, argv: Sequence[str]) -> int:
    """Serve until Ctrl-C; every answer is on the disk before it is confirmed."""
    page = read_config(argv, Page(), "redteam --survey FOLDER")
    serve(folder, page.host, page.port, say=lambda text: print(text, flush=True))
    return 0


def tell_results(folder: Path, argv: Sequence[str]) -> int:
    """Print what people answered."""
    read_config(argv, Page(), "redteam --results FOLDER")
    for table in results(folder):
        Console().print(laid_out(table, Console().width))
    return 0


def tell_answers(folder: Path, argv: Sequence[str]) -> int:
    """Print every answer as comma-separated values."""
    read_config(argv, Page(), "redteam --csv FOLDER")
    study = load_study(folder)
    store = Store(study)
    try:
        print(answers_csv(study, store), end="")
    finally:
        store.close()
    return 0


def study_folder(path: Path) -> Path:
    """The study of a run folder, or the folder itself."""
    return path / SURVEY if (path / SURVEY).is_dir() else path

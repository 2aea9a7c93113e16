"""What is installed: pinned versions, data files in the package, and one clear sentence when setting up fails."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#")

# A Python of a given version whose `venv` copies itself and whose `pip` ends as told.
FAKE = """#!/bin/sh
case "$*" in
    *"%d.%d.%d"*) echo "VERSION" ;;
    *"sys.exit"*) exit OLD ;;
    *"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    *"-m pip"*)
        echo "  ERROR: No versions"
        echo "  ERROR: No matching distribution found for torch==2.13.0."
        exit PIP ;;
esac
"""


def fake_python(folder: Path, version: str, pip: int) -> Path:
    """A stand-in interpreter."""
    path = folder / "python"
    old = int(tuple(map(int, version.split("."))) < (3, 11))
    path.write_text(FAKE.replace("VERSION", version).replace("OLD", str(old)).replace("PIP", str(pip)))
    path.chmod(0o755)
    return path


def set_up(folder: Path, python: Path | str) -> subprocess.CompletedProcess[str]:
    """Run the set-up script in an empty folder."""
    command = ["sh", str(ROOT / "tools" / "setup.sh"), str(python), "venv", "-e", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_every_declared_dependency_is_pinned() -> None:
    project = PROJECT["project"]
    declared = project["dependencies"] + [name for group in project["optional-dependencies"].values() for name in group]
    names = {re.split(r"[\[><=~! ]", requirement)[0] for requirement in declared}
    assert names <= set(PINS), names - set(PINS)
    assert PINS["torch"] == "2.13.0"


def test_pins_are_exact_and_nothing_else() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in PINS)
    assert all(re.fullmatch(r"\d+(\.\w+)+", version) for version in PINS.values())
    assert "torchvision" not in PINS


def test_every_data_file_travels_with_the_package() -> None:
    package = ROOT / "spikewright"
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["spikewright"]
    taken = {path for pattern in patterns for path in package.glob(pattern)}
    files = (path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    there = {path for path in files if path.suffix != ".py"}
    assert there <= taken, there - taken


def test_the_continuous_integration_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(("version", "says"), [("3.9.18", "is Python 3.9.18;"), ("2.7.18", "is Python 2.7.18;")])
def test_an_old_python_ends_in_one_sentence(tmp_path: Path, version: str, says: str) -> None:
    done = set_up(tmp_path, fake_python(tmp_path, version, pip=0))
    assert done.returncode == 1
    (sentence,) = done.stdout.splitlines()
    assert sentence.startswith("spikewright needs Python 3.11 or newer and '")
    assert says in sentence
    assert done.stderr == ""
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_ends_in_one_sentence(tmp_path: Path) -> None:
    done = set_up(tmp_path, tmp_path / "nowhere")
    assert done.returncode == 1
    (sentence,) = done.stdout.splitlines()
    assert "nowhere' does not run; name another one, for example PYTHON=python3.12" in sentence


def test_a_failed_installation_ends_in_one_sentence_with_the_reason(tmp_path: Path) -> None:
    done = set_up(tmp_path, fake_python(tmp_path, "3.12.1", pip=1))
    assert done.returncode == 1
    assert done.stdout == (
        "the installation failed (No matching distribution found for torch==2.13.0); "
        "everything pip said is in venv/install.log\n"
    )
    assert "No versions" in (tmp_path / "venv" / "install.log").read_text()


def test_a_good_installation_says_nothing_and_spoils_older_stamps(tmp_path: Path) -> None:
    python = fake_python(tmp_path, "3.12.1", pip=0)
    assert set_up(tmp_path, python).stdout == ""
    assert (tmp_path / "venv" / ".gitignore").read_text() == "*\n"
    (tmp_path / "venv" / ".ready-3.12").touch()
    assert set_up(tmp_path, python).returncode == 0
    assert not (tmp_path / "venv" / ".ready-3.12").exists()


def test_benchmarks_pin_the_same_versions() -> None:
    """`make bench` installs both files together, which pip refuses where they differ."""
    lines = (ROOT / "benchmarks/constraints.txt").read_text().splitlines()
    others = dict(line.split("==") for line in lines if line and line[0] != "#")
    assert {name: pin for name, pin in others.items() if PINS.get(name, pin) != pin} == {}

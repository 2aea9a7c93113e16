"""Generated pages are up to date, and the tools that write them notice when they are not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(root: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the tree under root in a fresh interpreter."""
    command = [sys.executable, str(root / "tools" / tool), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tiny project with the real tools."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    package = tmp_path / "spikewright"
    (package / "core").mkdir(parents=True)
    (package / "__init__.py").write_text('"""All names."""\nfrom .core import LIF as LIF, hidden\n')
    (package / "core" / "__init__.py").write_text('"""Time | state."""\n__all__ = ["LIF"]\n__all__ += ["step"]\n')
    (package / "core" / "lif.py").write_text('"""Leaky.\n\nMore.\n"""\n')
    return tmp_path


@pytest.mark.parametrize("tool", ["map.py", "api.py"])
def test_the_page_of_this_project_is_up_to_date(tool: str) -> None:
    done = run(ROOT, tool, "--check")
    assert done.returncode == 0, done.stderr


def test_the_map_holds_the_first_docstring_line_of_every_file(tree: Path) -> None:
    assert run(tree, "map.py").returncode == 0
    text = (tree / "docs" / "map.md").read_text()
    assert "## spikewright/\n\n| file | what for |\n| --- | --- |\n| `__init__.py` | All names. |\n" in text
    assert "## spikewright/core/\n" in text
    assert "| `__init__.py` | Time \\| state. |\n| `lif.py` | Leaky. |\n" in text
    assert run(tree, "map.py", "--check").returncode == 0


def test_an_old_map_is_noticed_and_left_alone(tree: Path) -> None:
    run(tree, "map.py")
    (tree / "spikewright" / "core" / "lif.py").write_text('"""Leakier."""\n')
    before = (tree / "docs" / "map.md").read_text()
    done = run(tree, "map.py", "--check")
    assert done.returncode == 1
    assert (
        done.stderr
        == "- | `lif.py` | Leaky. |\n+ | `lif.py` | Leakier. |\ndocs/map.md is out of date; run: make docs\n"
    )
    assert (tree / "docs" / "map.md").read_text() == before


def test_a_missing_map_is_noticed(tree: Path) -> None:
    done = run(tree, "map.py", "--check")
    assert done.returncode == 1
    assert "docs/map.md is out of date; run: make docs" in done.stderr


def test_the_snapshot_holds_public_names_only(tree: Path) -> None:
    assert run(tree, "api.py").returncode == 0
    names = (tree / "docs" / "api_snapshot.txt").read_text().splitlines()
    assert names == ["spikewright.LIF", "spikewright.core.LIF", "spikewright.core.step"]


def test_a_removed_name_is_noticed(tree: Path) -> None:
    run(tree, "api.py")
    (tree / "spikewright" / "__init__.py").write_text('"""All names."""\n')
    done = run(tree, "api.py", "--check")
    assert done.returncode == 1
    assert done.stderr.startswith("- spikewright.LIF\ndocs/api_snapshot.txt is out of date; run: ")
    assert "CHANGELOG.md" in done.stderr

"""docs/papers.md: up to date, and holding published figures beside ours."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spikewright.papers import Comparison, Figure, Measured

ROOT = Path(__file__).parents[2]
CASE = {"dataset": "D", "network": "N", "setting": "T=4", "metric": "m"}
PUBLISHED = Figure(**CASE, value=90.5, evidence="paper", source="Table 1")
OURS = Measured(**CASE, value=89.25, spread=0.125, result_file="benchmarks/results/x.json")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/papers.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("papers_page", ROOT / "tools" / "papers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "papers.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr


def test_published_and_ours_stand_in_one_row(tool: ModuleType) -> None:
    assert tool.row(Comparison(published=PUBLISHED, ours=OURS)) == (
        "| D | N | T=4 | m | 90.5 | [89.25 ± 0.125](../benchmarks/results/x.json) | *paper*: Table 1 |\n"
    )


def test_a_figure_without_counterpart_leaves_its_cell_empty(tool: ModuleType) -> None:
    assert tool.row(Comparison(published=PUBLISHED, ours=None)) == (
        "| D | N | T=4 | m | 90.5 |  | *paper*: Table 1 |\n"
    )
    assert "| m |  | [89.25" in tool.row(Comparison(published=None, ours=OURS))


def test_a_row_of_nothing_is_refused(tool: ModuleType) -> None:
    with pytest.raises(ValueError, match="needs a published figure or one of ours"):
        tool.row(Comparison(published=None, ours=None))


def test_what_a_source_does_not_name_is_said(tool: ModuleType) -> None:
    page = tool.page()
    assert "| CIFAR-10 | not named | T=16 | top-1 accuracy (%) | 93.38 |" in page
    assert page.count("No figure of this paper could be confirmed.") == 1
    assert page.count("\n## ") == 13

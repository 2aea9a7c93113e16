"""Every layer of docs/support.md under every recipe: it converts and approaches its source, or is refused with advice."""

import importlib.util
import sys
from pathlib import Path

import pytest

from spikewright.convert.recipes import RECIPES

TOOLS = Path(__file__).parents[2] / "tools"
spec = importlib.util.spec_from_file_location("support_cases", TOOLS / "support_cases.py")
assert spec is not None
assert spec.loader is not None
support = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = support  # dataclasses look their module up
spec.loader.exec_module(support)

every_recipe = pytest.mark.parametrize("name", RECIPES)
ANYWHERE = {  # linear operations, and what every method must cope with
    *("ReLU", "ReLU6", "clamp(0, c)", "Hardtanh(0, c)", "average pool", "adaptive average pool", "global mean"),
    *("batch norm behind a convolution", "batch norm on its own", "residual add", "concatenation", "slice", "reshape"),
    *("decision on a shape", "depthwise convolution", "grouped convolution", "transposed convolution", "dropout"),
    *("upsample, nearest", "upsample, bilinear"),
}
NOWHERE = {"decision on a value"}


def test_names_are_unique_and_known() -> None:
    names = [case.name for case in support.CASES]
    assert len(set(names)) == len(names)
    assert set(names) >= ANYWHERE | NOWHERE


@every_recipe
@pytest.mark.parametrize("case", support.CASES, ids=lambda case: case.name)
def test_it_approaches_its_source_or_is_refused_with_advice(case, name: str) -> None:
    verdict = support.judge(case, support.fitting(RECIPES[name]))
    if verdict.converts:
        assert verdict.approaches, verdict
        assert case.name not in NOWHERE
    else:
        assert len(verdict.text) > 20
        assert case.name not in ANYWHERE

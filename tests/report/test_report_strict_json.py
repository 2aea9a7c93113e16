"""JSON that any program reads and that loses nothing."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.report import ReportError
from spikewright.report.strict_json import dumps, dumps_line, loads, plain

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("NaN"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_every_value_comes_back(value) -> None:
    for text in (dumps(value), dumps_line(value)):
        assert loads(text, "it") == value
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_nan_and_the_text_nan_stay_apart() -> None:
    number, text = loads(dumps([math.nan, "NaN"]), "it")
    assert math.isnan(number)
    assert text == "NaN"
    assert json.loads(dumps([math.nan, "NaN"])) == ["NaN", {"$text": "NaN"}]


def test_numbers_of_a_row_share_a_line() -> None:
    assert dumps({"rows": [[1, 2], []], "empty": {}}) == '{\n  "rows": [\n    [1, 2],\n    []\n  ],\n  "empty": {}\n}'


@dataclass
class Inner:
    path: Path
    steps: tuple[int, ...]


def test_plain_reduces_what_python_and_numpy_hold() -> None:
    given_ = {"a": Inner(Path("x/y"), (1, 2)), "b": np.arange(2), "c": np.float32(0.5), "d": np.bool_(True)}
    assert plain(given_) == {"a": {"path": "x/y", "steps": [1, 2]}, "b": [0, 1], "c": 0.5, "d": True}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"model": {"act": object()}}, r"config\.model\.act: got object; expected a number, text"),
        ([1, {2}], r"config\[1\]: got set"),
        ({1: 2}, r"config: got the key 1; expected keys that are text"),
        ({"$text": 2}, r"got the key '\$text'"),
        ({"a": Inner}, r"config\.a: got type"),
    ],
)
def test_what_has_no_json_form_is_named(value, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        plain(value, "config")


def test_broken_json_is_named_with_its_place() -> None:
    with pytest.raises(ReportError, match=r"report\.json: got broken JSON \(.*line 2, column 3\)"):
        loads('{\n  "a', "report.json")
    with pytest.raises(ReportError, match=r"report\.json: got the bare word NaN; expected strict JSON"):
        loads("[NaN]", "report.json")

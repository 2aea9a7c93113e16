"""Samples become bins without losing any."""

import numpy as np
import pytest

from spikewright.report import ReportError, histogram_table


def test_every_finite_sample_is_counted_once() -> None:
    rng = np.random.default_rng(0)
    samples = {"a": rng.normal(size=(2, 3, 50)), "b": np.array([1.0, np.nan, np.inf, 3.0], np.float32)}
    before = {name: values.copy() for name, values in samples.items()}
    table = histogram_table(samples, v_threshold={"b": 1.5}, bins=4, unit="mV")
    counts = {name: sum(row[3] for row in table.rows if row[0] == name) for name in samples}  # type: ignore[misc]
    assert counts == {"a": 300, "b": 2}
    assert [row for row in table.rows if row[0] == "b"] == [
        ("b", 1.0, 1.5, 1, 1.5),
        ("b", 1.5, 2.0, 0, 1.5),
        ("b", 2.0, 2.5, 0, 1.5),
        ("b", 2.5, 3.0, 1, 1.5),
    ]
    assert table.notes == ("b: 2 of 4 potentials are not finite and left out.",)
    assert table.described("left").unit == "mV"
    assert all(np.array_equal(before[name], samples[name], equal_nan=True) for name in samples)


def test_layers_without_samples_have_no_rows() -> None:
    assert histogram_table({"a": np.array([])}).rows == ()


def test_no_bins() -> None:
    with pytest.raises(ReportError, match=r"histogram_table\.bins: got 0; expected 1 or more"):
        histogram_table({}, bins=0)

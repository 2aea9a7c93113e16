"""Finding the data folder: argument, variable, default."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.core.errors import DataError
from spikewright.data.root import data_root


def test_the_argument_comes_before_the_variable(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(tmp_path / "b"))
    assert data_root(tmp_path / "a") == tmp_path / "a"
    assert data_root() == tmp_path / "b"


@pytest.mark.parametrize("value", ["", None])
def test_without_both_it_is_the_cache(value, monkeypatch):
    if value is None:
        monkeypatch.delenv("SPIKEWRIGHT_DATA", raising=False)
    else:
        monkeypatch.setenv("SPIKEWRIGHT_DATA", value)
    assert data_root() == Path.home() / ".cache" / "spikewright"


def test_a_named_folder_must_exist(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"the data folder: .*none'; expected a folder that exists. Create it"):
        data_root(tmp_path / "none")
    monkeypatch.setenv("SPIKEWRIGHT_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"SPIKEWRIGHT_DATA: "):
        data_root()

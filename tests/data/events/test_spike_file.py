"""SpikeFile: recordings of an HDF5 file in the layout of the Heidelberg data sets."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from spikewright.core.errors import DataError
from spikewright.data.events import SpikeFile

h5py = pytest.importorskip("h5py")


def write(path, times, units, labels, keys=None, leave_out=()):
    """An HDF5 file with arrays of any length, as the data sets have them."""
    with h5py.File(path, "w") as file:
        for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            if name not in leave_out:
                part = file.create_dataset(f"spikes/{name}", (len(values),), dtype=h5py.vlen_dtype(kind))
                for place, one in enumerate(values):
                    part[place] = np.array(one, kind)
        file["labels"] = np.array(labels, np.uint16)
        if keys is not None:
            file["extra/keys"] = np.array(keys, h5py.string_dtype())
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "x.h5", [[0.5, 0.25], [], [1.0]], [[3, 699], [], [0]], [1, 0, 4], ["a", "b"])


def test_seconds_become_sorted_microseconds(path):
    file = SpikeFile(path, 700)
    assert (len(file), file.labels.tolist(), file.keys) == (3, [1, 0, 4], ("a", "b"))
    first = file[0]
    assert first.shape == (1, 1, 700)
    assert (first.x.tolist(), first.t.tolist()) == ([699, 3], [250_000, 500_000])
    assert len(file[1]) == 0
    assert file[-1].t.tolist() == [1_000_000]
    assert [len(one) for one in file] == [2, 0, 1]


@pytest.mark.parametrize(
    ("times", "units", "match"),
    [
        ([[0.5]], [[700]], r"recording 0: got x = 700 at event 0 .*expected 0..699"),
        ([[0.5, 1.0]], [[7]], "recording 0: got 2 times and 1 units; expected a unit for each time"),
        ([[float("nan")]], [[7]], "recording 0: got NaN or infinite times; expected seconds"),
        ([[0.5], [1.0]], [[7]], "got 2 spikes/times, 1 spikes/units, 1 labels; expected the same number of each"),
    ],
)
def test_impossible_spikes_are_refused(times, units, match, tmp_path):
    path = write(tmp_path / "x.h5", times, units, [0])
    with pytest.raises(DataError, match=match):
        SpikeFile(path, 700)[0]


def test_other_files_are_refused(path, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"broken.h5: got no readable HDF5 file"):
        SpikeFile(broken, 700)
    with pytest.raises(DataError, match=r"gone.h5: got no readable HDF5 file"):
        SpikeFile(tmp_path / "gone.h5", 700)
    with pytest.raises(DataError, match="got a file without spikes/units; expected spikes/times, spikes/units, labels"):
        SpikeFile(write(tmp_path / "y.h5", [[1]], [[1]], [0], leave_out=("units",)), 700)
    with pytest.raises(IndexError):
        SpikeFile(path, 700)[3]


def test_a_missing_package_says_how_to_install_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"got no package h5py .*pip install 'spikewright\[events\]'"):
        SpikeFile(path, 700)

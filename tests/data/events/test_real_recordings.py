"""The real recordings that SPIKEWRIGHT_DATA may point to: counts, spreads, and what others made of them."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from spikewright.data import EventBatches, load_events
from spikewright.data.braille import STEP, STEPS
from spikewright.data.events import (
    CountBins,
    Events,
    FixedBins,
    TimeBins,
    read_aedat4,
    read_bin,
    read_dat,
    read_evt2,
    read_evt3,
)
from spikewright.data.events.archive import tar_files
from spikewright.data.events.tonic_transform import to_tonic

FOLDER = Path(os.environ.get("SPIKEWRIGHT_DATA") or "/does/not/exist") / "events"
FILES = ("nmnist_300.tar.xz", "format_samples.tar.xz", "dvs_gesture_10.tar.xz", "braille_nir.npz")
pytestmark = [
    pytest.mark.bigdata,
    pytest.mark.skipif(not all((FOLDER / file).is_file() for file in FILES), reason="SPIKEWRIGHT_DATA has no events"),
]


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    with tarfile.open(FOLDER / "format_samples.tar.xz") as archive:
        streams = {info.name.rsplit("/", 1)[-1]: archive.extractfile(info) for info in archive if info.isfile()}
        return {name: stream.read() for name, stream in streams.items() if stream is not None}


@pytest.fixture(scope="module")
def digits() -> dict[str, Events]:
    return {name: read_bin(raw) for name, raw in tar_files(FOLDER / "nmnist_300.tar.xz", ".bin").items()}


@pytest.mark.parametrize(
    ("file", "read", "size", "events", "duration"),
    [
        ("nmnist_sample.bin", read_bin, (34, 34), 4_325, 310_521),
        ("ncars_sample_td.dat", read_dat, (100, 120), 2_009, 99_952),
        ("evt2_sample.raw", read_evt2, (480, 640), 539_481, 50_000),
        ("evt3_sample.raw", read_evt3, (720, 1280), 219_596, 8_801),
    ],
)
def test_every_format_is_read(file, read, size, events, duration, samples):
    found = read(samples[file], size)
    assert (len(found), found.shape, found.duration) == (events, (2, *size), duration)
    assert 0.4 < found.p.mean() < 0.7


def test_time_runs_on_in_the_raw_files(samples):
    # a busy sensor sends events in every microsecond; a wrong clock shows as gaps
    for found in (
        read_evt2(samples["evt2_sample.raw"], (480, 640)),
        read_evt3(samples["evt3_sample.raw"], (720, 1280)),
    ):
        assert np.diff(found.t).max() == 1


def test_aedat4_is_read(samples):
    pytest.importorskip("aedat")
    found = read_aedat4(samples["davis_sample.aedat4"])
    assert (len(found), found.shape, found.duration) == (111_954, (2, 240, 320), 589_917)


def test_frames_equal_those_that_others_published(digits):
    published = np.load(FOLDER / "nmnist_nir_reference.npz")["input"]  # [300, 10, 2, 34, 34], 1 ms
    for name, digit in (("nmnist/Test/8/00062.bin", 8), ("nmnist/Test/3/00019.bin", 3)):
        found = FixedBins(300, width=1000)(digits[name].from_zero())
        assert np.array_equal(found.numpy(), published[:, digit])


def test_the_sample_of_nmnist_is_whole():
    for split, n in (("train", 200), ("test", 100)):
        data = load_events("nmnist", FOLDER.parent, split)
        assert (len(data), len(data.labels.unique())) == (n, 10)
        assert all(250_000 < events.duration < 320_000 for events in data.recordings)


def test_gestures_fill_the_sensor():
    data = load_events("dvs_gesture", FOLDER.parent, "sample")
    assert data.labels.tolist() == list(range(10))
    assert [len(events) for events in data.recordings][:3] == [63_471, 84_260, 113_063]
    assert all(int(events.x.max()) == int(events.y.max()) == 127 for events in data.recordings)


def test_braille_gives_the_published_spikes():
    spikes = np.load(FOLDER / "braille_nir.npz")["x_test"]
    ((x, y),) = EventBatches(load_events("braille", FOLDER.parent, "test"), 140, FixedBins(STEPS, STEP))
    assert np.array_equal(x.flatten(2).transpose(0, 1).numpy(), spikes)
    assert y.bincount().tolist() == [20] * 7


def test_frames_equal_tonics(digits):
    transforms = pytest.importorskip("tonic.transforms")
    for events in list(digits.values())[::30]:
        whole = events.from_zero()
        ours = FixedBins(30, width=10_000)(whole)
        cut = transforms.ToFrame(sensor_size=(34, 34, 2), time_window=10_000, start_time=0, end_time=300_000)
        assert torch.equal(ours.long(), torch.from_numpy(cut(to_tonic(whole))).long())
        even = whole.select(np.arange(len(whole) // 10 * 10))
        cut = transforms.ToFrame(sensor_size=(34, 34, 2), n_event_bins=10)
        assert torch.equal(CountBins(10)(even).long(), torch.from_numpy(cut(to_tonic(even))).long())
        cut = transforms.ToFrame(sensor_size=(34, 34, 2), n_time_bins=10)(to_tonic(whole))
        left_out = len(whole) - int(cut.sum())
        moved = np.abs(TimeBins(10)(whole).numpy().astype(int) - cut).sum()
        assert moved <= 2 * left_out + 40  # steps of rounded duration: a few events near the borders lie elsewhere

"""The contract of every dataset of events: load from a fake copy, match the spec, fail readably."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from spikewright.core.errors import ConfigError, DataError
from spikewright.data import DATASETS, EventBatches, load_dataset, load_events
from spikewright.data.braille import STEP, STEPS
from spikewright.data.events import FixedBins

EVENTS = sorted(name for name, module in DATASETS.items() if module.SPEC.kind == "events")


def recording(label: int) -> bytes:
    """Two events of the 5-byte format, the first in the column of the label."""
    return bytes([label, 1, 0x80, 0, 9, 0, 0, 0, 1, 0])


def tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def digits(labels: list[int]) -> dict[str, bytes]:
    return {f"nmnist/Train/{label}/{place:05}.bin": recording(label) for place, label in enumerate(labels)}


def nmnist_tar(root: Path, labels: list[int]) -> Path:
    return tar(root / "events/nmnist_300.tar.xz", digits(labels) | {"nmnist/Test/9/1.bin": recording(9)})


def nmnist_folder(root: Path, labels: list[int]) -> Path:
    for name, content in digits(labels).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root / "nmnist/Train" / str(labels[0]) / "00000.bin"


def nmnist_zip(root: Path, labels: list[int]) -> Path:
    path = root / "nmnist/Train.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in digits(labels).items():
            archive.writestr(name.removeprefix("nmnist/"), content)
    return path


def dvs_gesture(root: Path, labels: list[int]) -> Path:
    files = {f"dvs_gesture/{label + 1:02}_{place}.bin": recording(label) for place, label in enumerate(labels)}
    return tar(root / "events/dvs_gesture_10.tar.xz", files)


def braille(root: Path, labels: list[int]) -> Path:
    spikes = np.zeros((len(labels), STEPS, 12), np.uint8)
    spikes[np.arange(len(labels)), 0, np.array(labels) % 12] = 1
    spikes[:, -1, 0] = 1
    path = root / "events/braille_nir.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x_train=spikes, y_train=np.array(labels))
    return path


def spike_file(name: str) -> Callable[[Path, list[int]], Path]:
    def write(root: Path, labels: list[int]) -> Path:
        h5py = pytest.importorskip("h5py")
        path = root / name / f"{name}_train.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for part, kind in (("times", np.float16), ("units", np.uint16)):
                made = file.create_dataset(f"spikes/{part}", (len(labels),), dtype=h5py.vlen_dtype(kind))
                for place, label in enumerate(labels):
                    made[place] = np.array([0, 1] if part == "times" else [label, 0], kind)
            file["labels"] = np.array(labels, np.uint16)
        return path

    return write


class Fake(NamedTuple):
    """How to write a small copy of a split: the file that it is broken by, and the order of its recordings."""

    name: str
    split: str
    write: Callable[[Path, list[int]], Path]
    sorted: bool  # recordings come sorted by label


FAKES = {
    "nmnist tar": Fake("nmnist", "train", nmnist_tar, True),
    "nmnist folder": Fake("nmnist", "train", nmnist_folder, True),
    "nmnist zip": Fake("nmnist", "train", nmnist_zip, True),
    "dvs_gesture": Fake("dvs_gesture", "sample", dvs_gesture, True),
    "braille": Fake("braille", "train", braille, False),
    "shd": Fake("shd", "train", spike_file("shd"), False),
    "ssc": Fake("ssc", "train", spike_file("ssc"), False),
}
each = pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)
LABELS = [3, 1, 4, 1, 5, 6]


def test_every_dataset_has_a_fake():
    assert sorted({fake.name for fake in FAKES.values()}) == EVENTS


@pytest.mark.parametrize("name", EVENTS)
def test_spec_is_complete(name):
    module, spec = DATASETS[name], DATASETS[name].SPEC
    assert spec.name == name == module.__name__.rsplit(".", 1)[-1]
    assert spec.evaluation_split in spec.splits
    assert len(spec.shape) == 3
    assert spec.licence
    assert spec.citation
    assert spec.source
    assert spec.mean == spec.std == ()


@each
def test_loads_a_fake_copy_and_matches_its_spec(fake, tmp_path):
    spec = DATASETS[fake.name].SPEC
    fake.write(tmp_path, LABELS)
    data = load_events(fake.name.upper(), tmp_path, fake.split)
    assert data.labels.tolist() == (sorted(LABELS) if fake.sorted else LABELS)
    assert data.classes == spec.classes
    assert data.shape == spec.shape
    if fake.name != "dvs_gesture":
        assert data.note == f"{fake.name} {fake.split}: 6 of the {spec.splits[fake.split]} official recordings"
    for place in range(len(data)):
        events, label = data[place]
        assert events.shape == spec.shape
        assert (int(events.x[0]), len(events)) == (label, 2)
    x, y = next(iter(EventBatches(data, 4, FixedBins(3, 100))))
    assert (tuple(x.shape), tuple(y.shape)) == ((3, 4, *spec.shape), (4,))


@each
def test_missing_files_are_named_with_the_way_to_get_them(fake, tmp_path):
    with pytest.raises(DataError, match=rf"dataset {fake.name}, split {fake.split}: got nothing of .*--data or SPIKE"):
        load_events(fake.name, tmp_path, fake.split)


@each
@pytest.mark.parametrize("kept", [0.0, 0.55])
def test_a_truncated_file_is_refused(fake, kept, tmp_path):
    path = fake.write(tmp_path, LABELS)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    if kept and fake.name == "nmnist" and path.suffix == ".bin":
        path.write_bytes(content[:-1])  # one event is a whole recording
    with pytest.raises(DataError, match=path.name):
        load_events(fake.name, tmp_path, fake.split).in_memory()


@pytest.mark.parametrize("name", ["braille", "shd", "ssc"])
def test_a_label_out_of_range_is_refused(name, tmp_path):
    classes = len(DATASETS[name].SPEC.classes)
    fake = FAKES[name]
    fake.write(tmp_path, [0, classes, 0])
    with pytest.raises(DataError, match=rf"got label {classes} at recording 1 .*expected 0..{classes - 1}"):
        load_events(name, tmp_path, fake.split)


@each
def test_an_unknown_split_is_refused(fake, tmp_path):
    with pytest.raises(DataError, match=rf"dataset {fake.name}: got split 'dev'; expected"):
        load_events(fake.name, tmp_path, "dev")


def test_folders_of_other_names_are_refused(tmp_path):
    tar(tmp_path / "events/nmnist_300.tar.xz", {"nmnist/Train/ten/1.bin": recording(1)})
    with pytest.raises(DataError, match=r"got a folder named 'ten'; expected folders named 0..9"):
        load_events("nmnist", tmp_path)
    with pytest.raises(DataError, match=r"got no recording; expected Test/<digit>/\*.bin"):
        load_events("nmnist", tmp_path, "test")
    tar(tmp_path / "events/dvs_gesture_10.tar.xz", {"dvs_gesture/12_dance.bin": recording(1)})
    with pytest.raises(DataError, match=r"got a file 'dvs_gesture/12_dance.bin'; expected names that begin with 01_"):
        load_events("dvs_gesture", tmp_path, "sample")
    tar(tmp_path / "events/dvs_gesture_10.tar.xz", {"readme.txt": b"-"})
    with pytest.raises(DataError, match=r"got an archive without .bin files; expected recordings"):
        load_events("dvs_gesture", tmp_path, "sample")


def test_a_broken_recording_is_named(tmp_path):
    files = digits([1]) | {"nmnist/Train/2/00009.bin": b"1234"}
    tar(tmp_path / "events/nmnist_300.tar.xz", files)
    with pytest.raises(DataError, match=r"nmnist_300.tar.xz, nmnist/Train/2/00009.bin: read_bin: got 4 bytes"):
        load_events("nmnist", tmp_path)


def test_braille_of_another_shape_is_refused(tmp_path):
    path = braille(tmp_path, [1])
    np.savez(path, x_train=np.full((1, STEPS, 12), 2, np.uint8), y_train=np.array([1]))
    with pytest.raises(DataError, match=r"got x_train uint8 of shape \[1, 256, 12\]; expected 0 or 1, \[N, 256, 12\]"):
        load_events("braille", tmp_path)
    np.savez(path, x_train=np.ones((1, 5, 12), np.uint8), y_train=np.array([1]))
    with pytest.raises(DataError, match=r"of shape \[1, 5, 12\]; expected 0 or 1"):
        load_events("braille", tmp_path)


def test_braille_gives_its_spikes_back(tmp_path):
    path = braille(tmp_path, LABELS)
    wanted = torch.from_numpy(np.load(path)["x_train"]).float()
    ((x, _),) = EventBatches(load_events("braille", tmp_path), 6, FixedBins(STEPS, STEP))
    assert torch.equal(x.flatten(2).transpose(0, 1), wanted)


def test_a_file_that_names_its_classes_is_believed(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = spike_file("ssc")(tmp_path, [2, 34])
    with h5py.File(path, "a") as file:
        file["extra/keys"] = np.array([f"w{k}" for k in range(35)], h5py.string_dtype())
    assert load_events("ssc", tmp_path).classes[34] == "w34"


def test_each_kind_has_its_loader():
    with pytest.raises(
        DataError, match=r"dataset nmnist: got events; expected images: .*It can be loaded with load_ev"
    ):
        load_dataset("nmnist")
    with pytest.raises(DataError, match=r"dataset synthetic: got images; expected events: braille, dvs_gesture, nmn"):
        load_events("synthetic")
    with pytest.raises(ConfigError, match="dataset: got 'mnist_dvs'; expected one of"):
        load_events("mnist_dvs")


def test_recordings_of_a_zip_travel_to_other_processes(tmp_path):
    nmnist_zip(tmp_path, LABELS)
    data = load_events("nmnist", tmp_path)
    again = pickle.loads(pickle.dumps(data))
    assert [again.recording(n).x.tolist() for n in range(6)] == [data.recording(n).x.tolist() for n in range(6)]

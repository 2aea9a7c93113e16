"""N-MNIST: the 70,000 digits of MNIST, moved before an event camera of 34x34 pixels, 0.3 s each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import torch

from ..core.errors import DataError, sentence
from .events.archive import ZipFiles, tar_files
from .events.bin5 import read_bin
from .events.dataset import EventDataset, EventFiles, Recordings
from .events.events import Events
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec

SPEC = DatasetSpec(
    name="nmnist",
    kind="events",
    shape=(2, 34, 34),
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    splits={"train": 60_000, "test": 10_000},
    licence="CC BY-SA 4.0",
    citation="G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, Converting Static Image Datasets to Spiking "
    "Neuromorphic Datasets Using Saccades, Frontiers in Neuroscience 9:437, 2015",
    source="https://www.garrickorchard.com/datasets/n-mnist",
)

SIZE = (34, 34)
FOLDERS = {"train": "Train", "test": "Test"}
SAMPLE = "nmnist_300.tar.xz"


def load(root: Path | None = None, split: str = "train") -> EventDataset:
    """Load one split of N-MNIST; recordings of a folder or a zip are read when they are asked for.

    Args:
        root: folder that holds `nmnist/Train/<digit>/*.bin`, `nmnist/Train.zip`, or the sample of 300 recordings
            `events/nmnist_300.tar.xz`; None: see `data_root`.
        split: "train" or "test".

    Returns:
        The recordings, sorted by digit and name; `note` says so when there are more or fewer than in the official
        split.

    Raises:
        DataError: the split is unknown, files are missing or broken, or a folder is named after no digit.
    """
    check_split(SPEC, split)
    root = data_root(root)
    part = FOLDERS[split]
    read = partial(read_bin, size=SIZE)
    folder, archive = root / SPEC.name / part, root / SPEC.name / f"{part}.zip"
    if folder.is_dir():
        paths = sorted(folder.glob("*/*.bin"))
        return _dataset(str(folder), split, [path.as_posix() for path in paths], EventFiles(paths, read))
    if archive.is_file():
        recordings = ZipFiles(archive, ".bin", read)
        return _dataset(str(archive), split, recordings.names, recordings)
    for place in (root / "events" / SAMPLE, root / SPEC.name / SAMPLE):
        if place.is_file():
            files = {name: raw for name, raw in tar_files(place, ".bin").items() if f"/{part}/" in f"/{name}"}
            return _dataset(str(place), split, list(files), [_read(place, name, raw) for name, raw in files.items()])
    wanted = (f"{SPEC.name}/{part}/<digit>/*.bin", f"{SPEC.name}/{part}.zip", f"events/{SAMPLE}")
    raise missing(SPEC, split, root, wanted)


def _read(archive: Path, name: str, raw: bytes) -> Events:
    try:
        return read_bin(raw, SIZE)
    except DataError as error:
        raise DataError(f"{archive}, {name}: {error}") from error


def _dataset(who: str, split: str, names: Sequence[str], recordings: Recordings) -> EventDataset:
    """The dataset of recordings in folders that are named after their digits."""
    if not names:
        raise DataError(sentence(who, "no recording", f"{FOLDERS[split]}/<digit>/*.bin"))
    digits = [PurePosixPath(name).parent.name for name in names]
    wrong = next((digit for digit in digits if digit not in SPEC.classes), None)
    if wrong is not None:
        raise DataError(sentence(who, f"a folder named {wrong!r}", "folders named 0..9, the labels"))
    labels = torch.tensor([SPEC.classes.index(digit) for digit in digits])
    note = size_note(SPEC, split, len(names))
    return EventDataset(recordings, labels, SPEC.classes, SPEC.shape, note)

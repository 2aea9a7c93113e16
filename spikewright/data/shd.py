"""Spiking Heidelberg Digits: spoken digits in English and German as spikes of 700 units of a model cochlea."""

from __future__ import annotations

from pathlib import Path

import torch

from .events.dataset import EventDataset
from .events.spike_hdf5 import SpikeFile
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec, RemoteFile

MIRROR = "https://zenkelab.org/datasets/"
CITATION = (
    "B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, The Heidelberg Spiking Data Sets for the Systematic Evaluation of "
    "Spiking Neural Networks, IEEE Transactions on Neural Networks and Learning Systems 33(7), 2022"
)

SPEC = DatasetSpec(
    name="shd",
    kind="events",
    shape=(1, 1, 700),
    classes=(
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        *("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    ),
    splits={"train": 8_156, "test": 2_264},
    files=(
        RemoteFile(url=MIRROR + "shd_train.h5.zip", md5="f3252aeb598ac776c1b526422d90eecb"),
        RemoteFile(url=MIRROR + "shd_test.h5.zip", md5="1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    licence="CC BY 4.0",
    citation=CITATION,
    source="https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/",
)


def load(root: Path | None = None, split: str = "train") -> EventDataset:
    """Load one split; each recording is read from the file when it is asked for.

    Args:
        root: folder that holds `shd/shd_train.h5` and `shd/shd_test.h5`; None: see `data_root`.
        split: "train" or "test".

    Raises:
        DataError: the split is unknown, the file is missing or broken, a label is out of range, or the package h5py is
            not installed.
    """
    return load_spike_file(SPEC, root, split)


def load_spike_file(spec: DatasetSpec, root: Path | None, split: str) -> EventDataset:
    """Load one split of a dataset in the layout of SHD; its file names the classes, if it names as many as there are.

    Args:
        spec: the dataset.
        root: folder that holds `<name>/<name>_<split>.h5`; None: see `data_root`.
        split: one of the splits of its SPEC.

    Raises:
        DataError: the split is unknown, the file is missing or broken, a label is out of range, or the package h5py is
            not installed.
    """
    check_split(spec, split)
    root = data_root(root)
    names = (f"{spec.name}/{spec.name}_{split}.h5", f"{spec.name}_{split}.h5")
    for path in (root / name for name in names):
        if path.is_file():
            file = SpikeFile(path, spec.shape[-1])
            classes = file.keys if len(file.keys) == len(spec.classes) else spec.classes
            note = size_note(spec, split, len(file))
            shape = (1, 1, file.units)
            return EventDataset(file, torch.from_numpy(file.labels), classes, shape, note)
    raise missing(spec, split, root, names)

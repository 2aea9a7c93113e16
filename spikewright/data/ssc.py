"""Spiking Speech Commands: 35 spoken words as spikes of 700 units of a model cochlea."""

from __future__ import annotations

from pathlib import Path

from .events.dataset import EventDataset
from .shd import CITATION, MIRROR, load_spike_file
from .spec import DatasetSpec, RemoteFile

SPEC = DatasetSpec(
    name="ssc",
    kind="events",
    shape=(1, 1, 700),
    classes=tuple(f"word {number}" for number in range(35)),  # the files name them
    splits={"train": 75_466, "valid": 9_981, "test": 20_382},
    files=(
        RemoteFile(url=MIRROR + "ssc_train.h5.zip", md5="d102be95e7144fcc0553d1f45ba94170"),
        RemoteFile(url=MIRROR + "ssc_valid.h5.zip", md5="b4eee3516a4a90dd0c71a6ac23a8ae43"),
        RemoteFile(url=MIRROR + "ssc_test.h5.zip", md5="a35ff1e9cffdd02a20eb850c17c37748"),
    ),
    licence="CC BY 4.0",
    citation=f"{CITATION}; after P. Warden, Speech Commands, arXiv:1804.03209, 2018",
    source="https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/",
)


def load(root: Path | None = None, split: str = "train") -> EventDataset:
    """Load one split; each recording is read from the file when it is asked for.

    Args:
        root: folder that holds `ssc/ssc_train.h5` and its kin; None: see `data_root`.
        split: "train", "valid" or "test".

    Raises:
        DataError: the split is unknown, the file is missing or broken, a label is out of range, or the package h5py is
            not installed.
    """
    return load_spike_file(SPEC, root, split)

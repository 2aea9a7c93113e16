"""DVS128 Gesture, a sample: ten gestures before an event camera of 128x128 pixels, the first 1.45 s of each."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import torch

from ..core.errors import DataError, sentence
from .events.archive import tar_files
from .events.bin5 import read_bin
from .events.dataset import EventDataset
from .root import check_split, data_root, missing
from .spec import DatasetSpec

SPEC = DatasetSpec(
    name="dvs_gesture",
    kind="events",
    shape=(2, 128, 128),
    classes=(
        *("hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter clockwise"),
        *("left arm clockwise", "left arm counter clockwise", "arm roll", "air drums", "air guitar", "other"),
    ),
    splits={"sample": 10},
    evaluation_split="sample",
    licence="CC BY 4.0",
    citation="A. Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017",
    source="https://research.ibm.com/interactive/dvsgesture/",
)

SIZE = (128, 128)
SAMPLE = "dvs_gesture_10.tar.xz"


def load(root: Path | None = None, split: str = "sample") -> EventDataset:
    """Load the sample: one recording of each gesture but "other", enough to look at and to try a pipeline with.

    Args:
        root: folder that holds `events/dvs_gesture_10.tar.xz`, files `<number of the gesture>_<name>.bin` in the
            5-byte format; None: see `data_root`.
        split: "sample".

    Raises:
        DataError: the split is unknown, the file is missing or broken, or a name begins with no gesture's number.
    """
    check_split(SPEC, split)
    root = data_root(root)
    for path in (root / "events" / SAMPLE, root / SPEC.name / SAMPLE):
        if path.is_file():
            files = tar_files(path, ".bin")
            labels = torch.tensor([_label(path, name) for name in files])
            recordings = [read_bin(raw, SIZE) for raw in files.values()]
            return EventDataset(recordings, labels, SPEC.classes, SPEC.shape)
    raise missing(SPEC, split, root, (f"events/{SAMPLE}", f"{SPEC.name}/{SAMPLE}"))


def _label(path: Path, name: str) -> int:
    number = re.match(r"(\d+)_", PurePosixPath(name).name)
    if number is None or not 1 <= int(number[1]) <= len(SPEC.classes):
        raise DataError(sentence(f"{path}", f"a file {name!r}", f"names that begin with 01_ to {len(SPEC.classes)}_"))
    return int(number[1]) - 1

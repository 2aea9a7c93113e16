"""Braille letters: twelve touch sensors slid over seven letters, as spikes in steps of 5 ms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.errors import DataError, sentence
from .events.dataset import EventDataset
from .events.events import Events, events_from
from .packed import read_arrays
from .root import check_split, data_root, missing, size_note
from .spec import DatasetSpec

SPEC = DatasetSpec(
    name="braille",
    kind="events",
    shape=(1, 1, 12),
    classes=("space", "A", "E", "I", "O", "U", "Y"),
    splits={"train": 980, "val": 280, "test": 140},
    licence="BSD-3-Clause for the spikes of the NIR project; CC BY 4.0 for the recordings",
    citation="S. F. Müller-Cleve et al., Braille Letter Reading: A Benchmark for Spatio-Temporal Pattern Recognition "
    "on Neuromorphic Hardware, Frontiers in Neuroscience 16:951164, 2022; spikes of J. E. Pedersen et al., "
    "Neuromorphic Intermediate Representation, Nature Communications 15:8122, 2024",
    source="https://zenodo.org/records/7050094",
)

SENSORS = 12
FILE = "braille_nir.npz"
STEPS, STEP = 256, 5_000
"""Steps of one recording, and their width in microseconds: `FixedBins(STEPS, STEP)` gives the spikes as published."""


def load(root: Path | None = None, split: str = "train") -> EventDataset:
    """Load one split; each recording has at most one spike per sensor and step, at the step's beginning.

    Args:
        root: folder that holds `events/braille_nir.npz` with `x_<split>` (0 or 1, [N, 256, 12]) and `y_<split>`;
            None: see `data_root`.
        split: "train", "val" or "test".

    Raises:
        DataError: the split is unknown, the file is missing, broken or of another shape, or a label is out of range.
    """
    check_split(SPEC, split)
    root = data_root(root)
    for path in (root / "events" / FILE, root / SPEC.name / FILE):
        if path.is_file():
            arrays = read_arrays(path, str(path), (f"x_{split}", f"y_{split}"))
            spikes, labels = arrays.values()
            if spikes.ndim != 3 or spikes.shape[1:] != (STEPS, SENSORS) or not np.isin(spikes, (0, 1)).all():
                met = f"x_{split} {spikes.dtype} of shape {list(spikes.shape)}"
                raise DataError(sentence(str(path), met, f"0 or 1, [N, {STEPS}, {SENSORS}]"))
            recordings = [_events(str(path), one) for one in spikes]
            note = size_note(SPEC, split, len(recordings))
            return EventDataset(recordings, torch.from_numpy(labels.astype(np.int64)), SPEC.classes, SPEC.shape, note)
    raise missing(SPEC, split, root, (f"events/{FILE}", f"{SPEC.name}/{FILE}"))


def _events(who: str, spikes: np.ndarray) -> Events:
    step, sensor = np.nonzero(spikes)
    zero = np.zeros(len(step), np.int64)
    return events_from(who, sensor, zero, zero, step * STEP, size=(1, SENSORS), polarities=1)

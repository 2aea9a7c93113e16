"""SpikeFile: recordings of a sensor of one dimension in one HDF5 file, as the Heidelberg data sets have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import DataError, sentence
from .events import Events, check_size, events_from
from .source import TRUNCATED, optional

MICROSECONDS = 1_000_000
PARTS = ("spikes/times", "spikes/units", "labels")


class SpikeFile:
    """Recordings, each read from the file when it is asked for.

        spikes/times: for each recording the times of its spikes in seconds
        spikes/units: for each recording the numbers of the units that fired
        labels:       the class of each recording
        extra/keys:   the names of the classes; need not be there

    Args:
        path: the HDF5 file.
        units: number of units of the sensor.

    Raises:
        DataError: the file is unreadable, broken or of another layout, or the package h5py is not installed.

    Source: Cramer et al. 2022, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
        Networks", IEEE TNNLS 33(7).
    """

    def __init__(self, path: Path | str, units: int) -> None:
        self.path, self.name = Path(path), f"SpikeFile {path}"
        _, self.units = check_size(self.name, (1, units))
        with self._opened() as file:
            missing = [part for part in PARTS if part not in file]
            if missing:
                raise DataError(sentence(self.name, f"a file without {', '.join(missing)}", ", ".join(PARTS)))
            lengths = [len(file[part]) for part in PARTS]
            self.labels = np.asarray(file["labels"]).astype(np.int64)
            self.keys = tuple(_text(key) for key in np.asarray(file["extra/keys"])) if "extra/keys" in file else ()
        if len(set(lengths)) != 1:
            met = ", ".join(f"{length} {part}" for part, length in zip(PARTS, lengths, strict=True))
            raise DataError(sentence(self.name, met, "the same number of each", TRUNCATED))

    def _opened(self) -> Any:
        h5py = optional("h5py", self.name)
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            reason = str(error).split("\n")[0]
            raise DataError(
                sentence(self.name, f"no readable HDF5 file ({reason})", "a whole file", TRUNCATED)
            ) from error

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> Events:
        """One recording; all its events have polarity 0, in row 0.

        Raises:
            DataError: the file is broken, times and units differ in number, or a unit lies outside the sensor.
        """
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        name = f"{self.name}, recording {place}"
        try:
            with self._opened() as file:
                times, units = (np.asarray(file[part][place]) for part in PARTS[:2])
        except (OSError, RuntimeError) as error:
            raise DataError(
                sentence(name, f"spikes that cannot be read ({error})", "a whole file", TRUNCATED)
            ) from error
        if times.shape != units.shape:
            met = f"{times.size} times and {units.size} units"
            raise DataError(sentence(name, met, "a unit for each time", "The file is broken"))
        seconds = times.astype(np.float64)
        if not np.isfinite(seconds).all():
            raise DataError(sentence(name, "NaN or infinite times", "seconds", "The file is broken"))
        t = np.rint(seconds * MICROSECONDS).astype(np.int64)
        zero = np.zeros(len(t), np.int64)
        return events_from(name, units.astype(np.int64), zero, zero, t, size=(1, self.units), polarities=1)


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)

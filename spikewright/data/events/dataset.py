"""EventDataset: labelled recordings of one sensor, in memory or read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ...core.errors import DataError, sentence
from ..images import check_labels, pick_places
from .events import Events


class Recordings(Protocol):
    """A list of recordings, or anything else with a length that reads each one when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Events:
        """One recording, of 0..length-1."""
        ...


@dataclass(frozen=True, eq=False)
class EventDataset:
    """Labelled recordings; batches of frames are drawn from them by `EventBatches`.

    Args:
        recordings: a list of `Events`, or what reads each one when it is asked for, such as `EventFiles`.
        labels: int64 [N], each a position in `classes`.
        classes: names of the classes.
        shape: polarities, height and width of the sensor.
        note: in words, where this copy differs from the official split; empty if it does not.

    Raises:
        DataError: no recording, or a label outside the classes.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> one = np.zeros(1, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([5]), height=2, width=3)
        >>> data = EventDataset([events, events], torch.tensor([0, 1]), ("left", "right"), (2, 2, 3))
        >>> len(data), data[1][1], data.subset(1).labels.tolist()
        (2, 1, [0])
    """

    recordings: Recordings = field(repr=False)
    labels: Tensor = field(repr=False)
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    note: str = ""

    def __post_init__(self) -> None:
        listed = hasattr(self.recordings, "__len__") and hasattr(self.recordings, "__getitem__")
        if not listed or not len(self.recordings):
            met = "no recording" if listed else type(self.recordings).__name__
            raise DataError(sentence("EventDataset.recordings", met, "a sequence of at least one recording"))
        if isinstance(self.classes, str) or not isinstance(self.classes, Sequence):
            allowed = "the names of the classes, a tuple of words"
            raise DataError(sentence("EventDataset.classes", repr(self.classes), allowed))
        check_labels("EventDataset.labels", self.labels, len(self.recordings), len(self.classes), "recording")

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, place: int) -> tuple[Events, int]:
        """One recording and its label."""
        return self.recording(place), int(self.labels[place])

    def recording(self, place: int) -> Events:
        """One recording.

        Raises:
            DataError: it is of another sensor than the data set.
        """
        events = self.recordings[place]
        if not isinstance(events, Events) or events.shape != tuple(self.shape):
            met = f"a sensor of {list(events.shape)}" if isinstance(events, Events) else type(events).__name__
            who = f"EventDataset, recording {place}"
            raise DataError(sentence(who, met, f"Events of {list(self.shape)}: polarities, height, width"))
        return events

    def subset(self, indices: int | Sequence[int] | Tensor) -> EventDataset:
        """A smaller dataset: the first `indices` recordings if it is a number, else those at these places.

        Raises:
            DataError: no recording is left, or a place is outside the dataset.
        """
        places = pick_places("EventDataset.subset", indices, len(self), "recordings")
        return replace(self, recordings=_Chosen(self.recordings, places.tolist()), labels=self.labels[places])

    def map(self, transform: Callable[[Events], Events]) -> EventDataset:
        """The same recordings, each changed when it is asked for, e.g. by `Downsample(2)`.

        Raises:
            DataError: the transform gives something else than Events; it is tried on the first recording.
        """
        first = transform(self.recording(0))
        if not isinstance(first, Events):
            todo = "Frames are made by EventBatches; for a transform of tonic use TonicTransform"
            raise DataError(sentence("EventDataset.map", type(first).__name__, "a transform that gives Events", todo))
        return replace(self, recordings=_Changed(self.recordings, transform), shape=first.shape)

    def in_memory(self) -> EventDataset:
        """The same dataset with all recordings read and changed once; 13 bytes per event."""
        return replace(self, recordings=[self.recording(place) for place in range(len(self))])


class EventFiles:
    """Recordings in files of their own, each read when it is asked for.

    Args:
        paths: the files.
        read: makes Events of one file.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[Path], Events]) -> None:
        self.paths, self.read = tuple(paths), read

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> Events:
        """One recording."""
        return self.read(self.paths[place])


class _Chosen:
    def __init__(self, whole: Recordings, places: list[int]) -> None:
        self.whole, self.places = whole, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Events:
        return self.whole[self.places[place]]


class _Changed:
    def __init__(self, whole: Recordings, transform: Callable[[Events], Events]) -> None:
        self.whole, self.transform = whole, transform

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, place: int) -> Events:
        return self.transform(self.whole[place])

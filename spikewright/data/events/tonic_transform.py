"""TonicTransform: any transform of the package tonic that takes events and gives events, applied to Events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import ArgumentError, DataError, sentence
from .events import Events, events_from

TONIC = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])  # the dtype of tonic's data sets


def to_tonic(events: Events) -> np.ndarray:
    """Events as tonic's structured array, a copy that transforms may write into.

    Raises:
        DataError: the sensor is larger than tonic's numbers.

    Example:
        >>> one = np.ones(1, np.uint16)
        >>> to_tonic(Events(one, one, one.astype(np.uint8), np.array([5]), height=2, width=2)).tolist()
        [(1, 1, 5, True)]
    """
    if max(events.height, events.width) > np.iinfo(np.int16).max + 1:
        met = f"a sensor of {events.height}x{events.width} pixels"
        raise DataError(sentence("to_tonic", met, "at most 32768 pixels along a side"))
    array = np.empty(len(events), TONIC)
    for name in ("x", "y", "t", "p"):
        array[name] = getattr(events, name)
    return array


def from_tonic(array: np.ndarray, *, size: tuple[int, int], polarities: int = 2) -> Events:
    """A structured array with the fields x, y, t, p, or x, t, p of a sensor of one dimension, as Events.

    Times that are no whole numbers are rounded to whole microseconds.

    Args:
        array: as tonic's data sets and transforms give it.
        size: (height, width) of the sensor in pixels.
        polarities: 1 or 2.

    Raises:
        DataError: it is no such array, or an event lies outside the sensor.
    """
    names = getattr(getattr(array, "dtype", None), "names", None) or ()
    if not {"x", "t", "p"} <= set(names):
        met = f"{type(array).__name__} with the fields {', '.join(names) or 'of no name'}"
        todo = "Only transforms that give events can be used here; frames are made by TimeBins and its kin"
        raise DataError(sentence("from_tonic", met, "a structured array with x, y, t, p", todo))
    y = array["y"] if "y" in names else np.zeros(len(array), np.int64)
    t = np.rint(array["t"]).astype(np.int64)
    p = array["p"].astype(np.int64)
    columns = (_whole(array["x"]), _whole(y))
    return events_from("from_tonic", *columns, np.maximum(p, 0), t, size=size, polarities=polarities)


def _whole(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64) if values.dtype.kind == "f" and not (values % 1).any() else values


@dataclass(frozen=True)
class TonicTransform:
    """A transform of tonic as one of this package: `dataset.map(TonicTransform(tonic.transforms.Denoise()))`.

    tonic draws from numpy's global generator; random transforms that must be repeatable are in `augment`.

    Args:
        transform: takes and gives tonic's structured array of events, e.g. `tonic.transforms.Denoise(10_000)`.
        size: (height, width) of the sensor after it; None where it stays.

    Raises:
        ArgumentError: transform is no function.

    Example:
        >>> one = np.zeros(2, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([5, 9]), height=1, width=1)
        >>> TonicTransform(lambda array: array[1:])(events).t.tolist()
        [9]
    """

    transform: Callable[[Any], Any]
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not callable(self.transform):
            met = type(self.transform).__name__
            raise ArgumentError(
                sentence("TonicTransform.transform", met, "a transform, e.g. tonic.transforms.Denoise()")
            )

    def __call__(self, events: Events) -> Events:
        """The changed recording.

        Raises:
            DataError: the transform gives something else than events, or events outside the sensor.
        """
        size = self.size or (events.height, events.width)
        return from_tonic(self.transform(to_tonic(events)), size=size, polarities=events.polarities)

"""Events: one recording of an event sensor as four arrays, sorted by time and checked against the sensor's size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import DataError, sentence

LARGEST = 2**16  # pixels along one side that uint16 can name


@dataclass(frozen=True, eq=False)
class Events:
    """One recording: column, row, polarity and time of every event, in the order of time.

    A sensor of one dimension, such as a cochlea or a row of touch sensors, has height 1, and y = 0 throughout.

    Args:
        x: column of each event, uint16 [E], 0..width-1 from left to right.
        y: row of each event, uint16 [E], 0..height-1 from top to bottom.
        p: polarity of each event, uint8 [E], 0..polarities-1; of two, 1 is brighter and 0 darker.
        t: time of each event in microseconds, int64 [E], never falling.
        height, width: the sensor's size in pixels.
        polarities: 1 or 2.

    Raises:
        DataError: arrays of another dtype or length, a place outside the sensor, or times that fall.

    Example:
        >>> one = np.ones(2, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([5, 9]), height=2, width=3)
        >>> len(events), events.shape, events.duration
        (2, (2, 2, 3), 4)
    """

    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    t: np.ndarray
    height: int
    width: int
    polarities: int = 2

    def __post_init__(self) -> None:
        check_size("Events", (self.height, self.width))
        if self.polarities not in (1, 2):
            raise DataError(sentence("Events.polarities", repr(self.polarities), "1 or 2"))
        limits = {"x": (np.uint16, self.width), "y": (np.uint16, self.height), "p": (np.uint8, self.polarities)}
        for name, (dtype, limit) in limits.items():
            values = self._checked(name, dtype)
            if len(values) and int(values.max()) >= limit:
                place = int(np.argmax(values >= limit))
                met = f"{int(values[place])} at event {place}"
                todo = "The file may be broken, or of another sensor: give its size"
                raise DataError(sentence(f"Events.{name}", met, f"0..{limit - 1}", todo))
        t = self._checked("t", np.int64)
        if len(t) and bool((t[1:] < t[:-1]).any()):
            place = int(np.argmax(t[1:] < t[:-1])) + 1
            met = f"{int(t[place])} after {int(t[place - 1])} at event {place}"
            raise DataError(
                sentence("Events.t", met, "times that never fall", "Make them with events_from, which sorts")
            )

    def _checked(self, name: str, dtype: type[np.generic]) -> np.ndarray:
        values = getattr(self, name)
        if not isinstance(values, np.ndarray):
            met = type(values).__name__
            raise DataError(sentence(f"Events.{name}", met, "a numpy array", "Make Events with events_from"))
        length = len(self.x) if isinstance(self.x, np.ndarray) and self.x.ndim == 1 else "E"
        if values.dtype != dtype or values.shape != (length,):
            met = f"{values.dtype} of shape {list(values.shape)}"
            allowed = f"{np.dtype(dtype)} of shape [{length}]"
            raise DataError(sentence(f"Events.{name}", met, allowed, "Make Events with events_from, which converts"))
        return values

    def __len__(self) -> int:
        return len(self.t)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a frame of these events: polarities, height, width."""
        return self.polarities, self.height, self.width

    @property
    def duration(self) -> int:
        """Microseconds from the first event to the last; 0 without events."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def select(self, which: np.ndarray) -> Events:
        """The events that a mask, or places in rising order, choose."""
        return replace(self, x=self.x[which], y=self.y[which], p=self.p[which], t=self.t[which])

    def from_zero(self) -> Events:
        """The same events with times counted from the first one."""
        return replace(self, t=self.t - self.t[0]) if len(self) else self


def check_size(who: str, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a sensor in pixels.

    Raises:
        DataError: they are no two whole numbers within 1..65536.
    """
    pair = isinstance(size, tuple | list) and len(size) == 2
    whole = pair and all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in size)
    if not whole or not all(1 <= side <= LARGEST for side in size):
        raise DataError(sentence(f"{who} size", repr(size), f"(height, width) in pixels, 1..{LARGEST}"))
    return int(size[0]), int(size[1])


def events_from(
    who: str,
    x: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    t: np.ndarray,
    *,
    size: tuple[int, int],
    polarities: int = 2,
) -> Events:
    """Events of arrays of whole numbers in any order; those of one time keep their order.

    Args:
        who: what to call them in an error, e.g. the file.
        x, y, p, t: see `Events`; any whole numbers.
        size: (height, width) of the sensor in pixels.
        polarities: 1 or 2.

    Raises:
        DataError: arrays of other than whole numbers, of different lengths, or with a place outside the sensor.

    Example:
        >>> found = events_from("x", np.array([4, 3]), *[np.array([0, 0])] * 2, np.array([9, 5]), size=(1, 5))
        >>> found.x.tolist(), found.t.tolist()
        ([3, 4], [5, 9])
    """
    height, width = check_size(who, size)
    arrays = {name: np.asarray(values) for name, values in (("x", x), ("y", y), ("p", p), ("t", t))}
    for name, values in arrays.items():
        if values.ndim != 1 or values.dtype.kind not in "iub" or len(values) != len(arrays["x"]):
            met = f"{name} {values.dtype} of shape {list(values.shape)}"
            raise DataError(sentence(who, met, f"whole numbers, one per event, [{arrays['x'].size}]"))
    for name, limit in (("x", width), ("y", height), ("p", polarities)):
        values = arrays[name]
        wrong = (values < 0) | (values >= limit)
        if wrong.any():
            place = int(np.argmax(wrong))
            met = f"{name} = {int(values[place])} at event {place} ({int(wrong.sum())} out of range)"
            todo = "The file may be broken, or of another sensor: give its size"
            raise DataError(sentence(who, met, f"0..{limit - 1}", todo))
    t = arrays["t"].astype(np.int64)
    if (t[1:] < t[:-1]).any():
        order = np.argsort(t, kind="stable")
        t, arrays = t[order], {name: values[order] for name, values in arrays.items()}
    x, y, p = (arrays[name].astype(dtype) for name, dtype in (("x", np.uint16), ("y", np.uint16), ("p", np.uint8)))
    return Events(x, y, p, t, height, width, polarities)

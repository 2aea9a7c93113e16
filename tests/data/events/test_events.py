"""Events: sorted by time, inside the sensor, of the right types, and changed only as asked."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.core.errors import DataError
from spikewright.data.events import Events, events_from

ONE = np.zeros(1, np.int64)


def arrays(x=(0, 1), y=(0, 1), p=(0, 1), t=(5, 9)):
    return np.array(x, np.uint16), np.array(y, np.uint16), np.array(p, np.uint8), np.array(t, np.int64)


def test_a_recording_knows_its_shape_and_duration():
    events = Events(*arrays(), height=2, width=3)
    assert (len(events), events.shape, events.duration) == (2, (2, 2, 3), 4)
    assert events.from_zero().t.tolist() == [0, 4]
    assert events.select(np.array([False, True])).t.tolist() == [9]


def test_an_empty_recording_is_one_too():
    empty = events_from("x", *[ONE[:0]] * 4, size=(1, 1))
    assert (len(empty), empty.duration, len(empty.from_zero())) == (0, 0, 0)


def test_events_from_sorts_and_keeps_the_order_of_one_time():
    found = events_from("x", np.array([3, 1, 2]), ONE.repeat(3), ONE.repeat(3), np.array([7, 5, 5]), size=(1, 4))
    assert (found.x.tolist(), found.t.tolist()) == ([1, 2, 3], [5, 5, 7])
    assert [array.dtype for array in (found.x, found.y, found.p, found.t)] == [np.uint16, np.uint16, np.uint8, np.int64]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x": (0, 3)}, r"Events.x: got 3 at event 1; expected 0..2. .*give its size"),
        ({"y": (2, 0)}, r"Events.y: got 2 at event 0; expected 0..1"),
        ({"p": (0, 2)}, r"Events.p: got 2 at event 1; expected 0..1"),
        ({"t": (9, 5)}, r"Events.t: got 5 after 9 at event 1; expected times that never fall"),
        ({"t": (9,)}, r"Events.t: got int64 of shape \[1\]; expected int64 of shape \[2\]"),
    ],
)
def test_impossible_events_are_refused(change, match):
    with pytest.raises(DataError, match=match):
        Events(*arrays(**change), height=2, width=3)


def test_other_types_are_refused():
    x, y, p, t = arrays()
    with pytest.raises(DataError, match=r"Events.x: got int64 of shape \[2\]; expected uint16 .*events_from"):
        Events(x.astype(np.int64), y, p, t, 2, 3)
    with pytest.raises(DataError, match=r"Events.p: got list; expected a numpy array"):
        Events(x, y, [0, 1], t, 2, 3)
    with pytest.raises(DataError, match=r"Events.polarities: got 3; expected 1 or 2"):
        Events(x, y, p, t, 2, 3, 3)
    with pytest.raises(DataError, match=r"x: got t float64 of shape \[1\]; expected whole numbers"):
        events_from("x", ONE, ONE, ONE, np.array([0.5]), size=(1, 1))
    with pytest.raises(DataError, match=r"x: got p int64 of shape \[2\]; expected whole numbers, one per event, \[1\]"):
        events_from("x", ONE, ONE, ONE.repeat(2), ONE, size=(1, 1))


@pytest.mark.parametrize("size", [(0, 5), (5, 2**16 + 1), (5,), 5, (5.0, 5), (True, 5)])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(DataError, match=r"x size: got .*; expected \(height, width\) in pixels, 1..65536"):
        events_from("x", ONE, ONE, ONE, ONE, size=size)


def test_a_place_outside_the_sensor_is_counted():
    with pytest.raises(DataError, match=r"file: got x = -1 at event 1 \(2 out of range\); expected 0..4"):
        events_from("file", np.array([0, -1, 5]), *[ONE.repeat(3)] * 3, size=(1, 5))

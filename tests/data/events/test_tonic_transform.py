"""TonicTransform: there and back without a change, and the transforms of tonic on our events."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.core.errors import ArgumentError, DataError
from spikewright.data.events import EventDataset, TonicTransform
from spikewright.data.events.tonic_transform import from_tonic, to_tonic


def same(a, b):
    return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in "xypt") and a.shape == b.shape


@pytest.mark.parametrize("polarities", [1, 2])
def test_there_and_back(polarities, made):
    events = made(100, polarities=polarities)
    assert same(from_tonic(to_tonic(events), size=(9, 12), polarities=polarities), events)


def test_what_a_transform_writes_stays_its_own(made):
    events = made(100)

    def spoil(array):
        array["x"] = 0
        return array[:0]

    assert len(TonicTransform(spoil)(events)) == 0
    assert events.x.any()


def test_a_sensor_of_one_dimension_needs_no_rows(made):
    array = np.array([(3, 7, 0)], dtype=[("x", int), ("t", int), ("p", int)])
    assert from_tonic(array, size=(1, 5)).x.tolist() == [3]


@pytest.mark.parametrize(
    ("give", "match"),
    [
        (lambda array: np.zeros((3, 2)), "from_tonic: got ndarray with the fields of no name; .*frames are made by"),
        (lambda array: None, "from_tonic: got NoneType"),
        (lambda array: array[["x", "y"]], "got ndarray with the fields x, y; expected a structured array"),
    ],
)
def test_what_gives_no_events_is_refused(give, match, made):
    with pytest.raises(DataError, match=match):
        TonicTransform(give)(made(5))


def test_what_is_no_function_is_refused():
    with pytest.raises(ArgumentError, match=r"TonicTransform.transform: got int; expected a transform"):
        TonicTransform(3)


def test_a_sensor_too_large_for_tonic_is_refused(made):
    with pytest.raises(DataError, match="to_tonic: got a sensor of 1x40000 pixels; expected at most 32768"):
        to_tonic(made(5, size=(1, 40_000)))


def test_tonics_transforms_apply(made):
    transforms = pytest.importorskip("tonic.transforms")
    events, np_state = made(400), np.random.get_state()
    np.random.seed(0)
    try:
        reversed_, crop, noise = (
            TonicTransform(transforms.RandomFlipLR(sensor_size=(12, 9, 2), p=1.0))(events),
            TonicTransform(transforms.CenterCrop(sensor_size=(12, 9, 2), size=(4, 3)), size=(3, 4))(events),
            TonicTransform(transforms.Denoise(filter_time=100))(events),
        )
    finally:
        np.random.set_state(np_state)
    assert np.array_equal(reversed_.x, 11 - events.x.astype(int))
    middle = (events.x >= 4) & (events.x < 8) & (events.y >= 3) & (events.y < 6)
    assert (crop.shape, len(crop)) == ((2, 3, 4), int(middle.sum()))
    assert 0 < len(noise) < len(events)


def test_it_changes_a_dataset(made):
    import torch

    data = EventDataset([made(20)], torch.tensor([0]), ("a",), (2, 9, 12))
    changed = data.map(TonicTransform(lambda array: array[:3]))
    assert len(changed[0][0]) == 3

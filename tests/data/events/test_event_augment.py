"""Augmentations of recordings: what they change by hand, what they keep, and that a seed repeats them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikewright.core.errors import ArgumentError
from spikewright.data.events import (
    DropArea,
    DropEvents,
    DropTime,
    MirrorEvents,
    OneOf,
    RollEvents,
    RotateEvents,
    ShiftEvents,
)

ALL = [
    MirrorEvents(),
    ShiftEvents(3),
    RollEvents(3),
    RotateEvents(30.0),
    DropEvents(),
    DropTime(),
    DropArea(0.8),
    OneOf((DropEvents(), DropTime(), DropArea(0.8))),
]
each = pytest.mark.parametrize("augment", ALL, ids=repr)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arrays(events):
    return [getattr(events, part).tolist() for part in "xypt"]


@each
def test_a_seed_repeats_it_and_others_differ(augment, made):
    events = made(400)
    found = [arrays(augment(events, seeded(seed))) for seed in (*range(8), 0)]
    assert found[0] == found[-1]
    assert len({str(one) for one in found}) > 1


@each
@pytest.mark.parametrize("events", [{"n": 0}, {"n": 1}, {"size": (1, 12), "polarities": 1}], ids=str)
def test_any_recording_stays_a_recording_of_the_sensor(augment, events, made):
    events = made(**events)
    before = arrays(events)
    for seed in range(10):
        found = augment(events, seeded(seed))
        assert found.shape == events.shape
        assert len(found) <= len(events)
    assert arrays(events) == before  # and the given one stays as it is


@each
def test_the_global_generators_are_left_alone(augment, made):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    augment(made(100), seeded(1))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_mirroring_twice_gives_the_recording(made):
    events = made(200)
    once = MirrorEvents(1.0)(events, seeded(0))
    assert np.array_equal(once.x, 11 - events.x.astype(int))
    assert arrays(MirrorEvents(1.0)(once, seeded(0))) == arrays(events)
    assert arrays(MirrorEvents(0.0)(events, seeded(0))) == arrays(events)


@pytest.mark.parametrize("seed", range(6))
def test_shift_and_roll_move_all_events_alike(seed, made):
    events = made(300)
    rolled, shifted = RollEvents(3)(events, seeded(seed)), ShiftEvents(3)(events, seeded(seed))
    right, down = (
        {(int(a) - int(b)) % 12 for a, b in zip(rolled.x, events.x)},
        {(int(a) - int(b)) % 9 for a, b in zip(rolled.y, events.y)},
    )
    assert len(right) == len(down) == 1
    assert len(rolled) == len(events)
    # the same draw: shifted events are those rolled ones that did not come in again at the other side
    right, down = (value if value <= 3 else value - side for value, side in ((right.pop(), 12), (down.pop(), 9)))
    x, y = events.x.astype(int) + right, events.y.astype(int) + down
    kept = (x >= 0) & (x < 12) & (y >= 0) & (y < 9)
    assert arrays(shifted) == arrays(rolled.select(kept))


def test_a_row_of_sensors_moves_along_itself_only(made):
    events = made(300, size=(1, 12), polarities=1)
    assert all(len(RollEvents(5)(events, seeded(seed))) == 300 for seed in range(5))
    assert any(len(ShiftEvents(5)(events, seeded(seed))) > 100 for seed in range(5))


def test_a_rotation_keeps_distances_from_the_middle(made):
    events = made(300, size=(41, 41))
    found = RotateEvents(180.0)(events, seeded(3))
    kept = np.isin(events.t, found.t)
    inner = events.select(
        kept
        & (
            np.bincount(np.searchsorted(np.unique(events.t), events.t))[np.searchsorted(np.unique(events.t), events.t)]
            == 1
        )
    )
    same = found.select(np.isin(found.t, inner.t))

    def radius(one):
        return np.hypot(one.x.astype(float) - 20, one.y.astype(float) - 20)

    assert len(same) > 50
    assert np.abs(radius(same) - radius(inner)).max() < 0.75  # half a pixel's diagonal
    assert not np.array_equal(same.x, inner.x)


def test_drop_time_leaves_one_gap_and_drop_area_one_hole(made):
    events = made(3000)
    for seed in range(5):
        gone = ~np.isin(np.arange(3000), np.flatnonzero(np.isin(events.t, DropTime(0.9)(events, seeded(seed)).t)))
        assert len(np.flatnonzero(np.diff(gone.astype(int)))) <= 2
        kept = DropArea(0.9)(events, seeded(seed))
        counts = np.bincount(kept.y.astype(int) * 12 + kept.x, minlength=108).reshape(9, 12)
        rows, columns = np.nonzero(counts == 0)
        if len(rows):
            hole = counts[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert not hole.any()


def test_drop_events_drops_half_of_the_largest_share_in_the_mean(made):
    events = made(1000)
    kept = [len(DropEvents(0.6)(events, seeded(seed))) for seed in range(200)]
    assert np.mean(kept) == pytest.approx(700, abs=40)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: MirrorEvents(1.5), "MirrorEvents.p: got 1.5; expected a number in 0..1"),
        (lambda: ShiftEvents(0), "ShiftEvents.pixels: got 0"),
        (lambda: RollEvents(0.5), "RollEvents.pixels: got 0.5"),
        (lambda: RotateEvents(0), "RotateEvents.degrees: got 0; expected an angle above 0, at most 180"),
        (lambda: DropEvents(-0.1), "DropEvents.share: got -0.1"),
        (lambda: DropTime(2), "DropTime.share: got 2"),
        (lambda: DropArea(float("nan")), "DropArea.share: got nan"),
        (lambda: OneOf(()), r"OneOf.choices: got \(\); expected a tuple of at least one augmentation"),
    ],
)
def test_impossible_arguments_are_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

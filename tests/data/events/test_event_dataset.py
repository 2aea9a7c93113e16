"""EventDataset, FrameCache and EventBatches: lazy, read once, time first, repeatable, checked."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import DataError
from spikewright.data import EventBatches, EventDataset
from spikewright.data.events import CountBins, Downsample, DropEvents, FixedBins, ShiftEvents, TimeBins, VoxelGrid

N, SHAPE = 10, (2, 9, 12)
FRAMES = FixedBins(4, width=1000)


class Counting(list):
    """Recordings that write down which of them were asked for."""

    def __init__(self, recordings):
        super().__init__(recordings)
        self.asked = []

    def __getitem__(self, place):
        self.asked.append(place)
        return super().__getitem__(place)


@pytest.fixture
def data(made):
    recordings = Counting(made(200, seed=seed) for seed in range(N))
    return EventDataset(recordings, torch.arange(N) % 3, ("a", "b", "c"), SHAPE)


def equal(a, b):
    return all(torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(a, b, strict=True))


def test_batches_are_time_first_and_hold_each_recordings_frames(data):
    (x, y), *rest = EventBatches(data, 4, FRAMES)
    assert (tuple(x.shape), x.dtype, len(rest)) == ((4, 4, *SHAPE), torch.float32, 2)
    assert x.is_contiguous()
    for n in range(4):
        assert torch.equal(x[:, n], FRAMES(data.recordings[n]).float())
    assert y.tolist() == [0, 1, 2, 0]


def test_every_recording_is_read_once_and_kept_as_bytes(data):
    batches = EventBatches(data, 4, FRAMES, seed=1)
    for epoch in range(3):
        list(batches.iterate(epoch))
    assert sorted(data.recordings.asked) == list(range(N))
    kept = batches._cache.kept
    assert kept is not None
    assert (kept.dtype, tuple(kept.shape)) == (torch.uint8, (N, 4, *SHAPE))


def test_earlier_batches_are_not_computed(data):
    list(EventBatches(data, 4, FRAMES).iterate(0, start=2))
    assert data.recordings.asked == [8, 9]


@pytest.mark.parametrize("augment", [(), (ShiftEvents(2), DropEvents(0.5))])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_resumed_epoch_gives_identical_batches(data, augment, start):
    whole = list(EventBatches(data, 4, FRAMES, seed=3, augment=augment).iterate(2))
    rest = EventBatches(data, 4, FRAMES, seed=3, augment=augment).iterate(2, start)
    assert equal(whole[start:], rest)


def test_augmentation_differs_between_epochs_seeds_and_processes_and_not_from_run_to_run(data):
    def first(seed, epoch, rank):
        batches = EventBatches(data, 4, FRAMES, seed=seed, augment=(DropEvents(0.9),), rank=rank, world_size=2)
        return next(batches.iterate(epoch))[0].sum().item()

    found = [first(*place) for place in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert len(set(found)) == 4
    assert first(0, 0, 0) == found[0]


@pytest.mark.parametrize("augment", [(), (DropEvents(0.0),)])
def test_an_augmentation_that_changes_nothing_changes_nothing(data, augment):
    plain = EventBatches(data, 4, TimeBins(3), seed=1)
    assert equal(plain, EventBatches(data, 4, TimeBins(3), seed=1, augment=augment))


def test_processes_share_each_batch(data):
    whole = [y.tolist() for _, y in EventBatches(data, 4, FRAMES, seed=1, drop_last=True)]
    parts = [
        [y.tolist() for _, y in EventBatches(data, 4, FRAMES, seed=1, drop_last=True, rank=r, world_size=2)]
        for r in (0, 1)
    ]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(labels) for labels in whole]


@pytest.mark.parametrize("frames", [CountBins(3), VoxelGrid(3)])
def test_any_frames_will_do(data, frames):
    x, _ = next(iter(EventBatches(data, 2, frames)))
    assert torch.equal(x[:, 1], frames(data.recordings[1]).float())


def test_a_transform_is_applied_when_a_recording_is_asked_for(data):
    data.recordings.asked.clear()
    small = data.subset([3, 5]).map(Downsample(3))
    assert data.recordings.asked == [3]  # the first one, to learn the new shape
    assert (small.shape, len(small), small.labels.tolist()) == ((2, 3, 4), 2, [0, 2])
    assert small[1][0].shape == (2, 3, 4)
    again = small.in_memory()
    asked = len(data.recordings.asked)
    assert len(again[1][0]) == 200
    assert len(data.recordings.asked) == asked


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"batch_size": 0}, "EventBatches.batch_size: got 0"),
        ({"seed": -1}, "EventBatches.seed: got -1"),
        ({"batch_size": 11, "drop_last": True}, "got 10 recordings, fewer than one batch of 11"),
        ({"batch_size": 3, "world_size": 2, "seed": 0}, "EventBatches.batch_size: got 3 for 2 processes"),
        ({"frames": TimeBins}, r"EventBatches.frames: got TimeBins; expected a value that makes frames, e.g. TimeBins"),
        ({"frames": 3}, "EventBatches.frames: got int"),
        ({"augment": ShiftEvents(2), "seed": 1}, "EventBatches.augment: got ShiftEvents; expected a tuple"),
        ({"augment": (ShiftEvents(2),)}, "got an augmentation without a seed.* Give a seed"),
        ({"dataset": [1, 2]}, r"EventBatches.dataset: got list; expected an EventDataset. Load one with load_events"),
    ],
)
def test_impossible_arguments_are_refused(data, arguments, match):
    with pytest.raises(DataError, match=match):
        EventBatches(**{"dataset": data, "batch_size": 2, "frames": FRAMES} | arguments)


@pytest.mark.parametrize(("epoch", "start"), [(-1, 0), (0, 4)])
def test_epoch_and_start_are_checked_at_once(data, epoch, start):
    with pytest.raises(DataError, match=r"EventBatches.iterate (epoch|start): got"):
        EventBatches(data, 4, FRAMES).iterate(epoch, start)


def test_what_is_shown_of_a_data_set_does_not_grow_with_it(data):
    assert repr(data) == f"EventDataset(classes=('a', 'b', 'c'), shape={SHAPE}, note='')"


def test_impossible_datasets_are_refused(data, made):
    with pytest.raises(DataError, match=r"EventDataset.recordings: got no recording"):
        EventDataset([], torch.zeros(0, dtype=torch.int64), ("a",), SHAPE)
    with pytest.raises(DataError, match=r"EventDataset.recordings: got generator"):
        EventDataset((made(1) for _ in "ab"), torch.zeros(2, dtype=torch.int64), ("a",), SHAPE)
    with pytest.raises(DataError, match=r"got label 2 at recording 1 .*expected 0..1"):
        EventDataset([made(1)] * 2, torch.tensor([0, 2]), ("a", "b"), SHAPE)
    with pytest.raises(DataError, match=r"EventDataset.labels: got list; expected a tensor, .* torch.tensor\(labels\)"):
        EventDataset([made(1)], [0], ("a",), SHAPE)  # pyright: ignore[reportArgumentType]
    for wrong in (10, "ab"):
        with pytest.raises(DataError, match=r"EventDataset.classes: got .*; expected the names of the classes"):
            EventDataset([made(1)], torch.tensor([0]), wrong, SHAPE)  # pyright: ignore[reportArgumentType]
    other = EventDataset([made(5), made(5, size=(3, 3))], torch.tensor([0, 0]), ("a",), SHAPE)
    with pytest.raises(DataError, match=r"recording 1: got a sensor of \[2, 3, 3\]; expected Events of \[2, 9, 12\]"):
        list(EventBatches(other, 2, FRAMES))
    with pytest.raises(DataError, match=r"EventDataset.map: got Tensor; .*For|a transform that gives Events"):
        data.map(FRAMES)
    with pytest.raises(DataError, match=r"EventDataset.subset: got the first 11 recordings; expected 1..10"):
        data.subset(11)


def test_frames_that_cannot_be_made_name_the_recording(data):
    flat = data.map(Downsample(12))  # one pixel
    with pytest.raises(
        DataError, match=r"recording 0: frames: got \d+ events of one pixel in one step; expected at most"
    ):
        next(iter(EventBatches(EventDataset(flat.recordings, data.labels, data.classes, flat.shape), 2, _Full())))


class _Full:
    """Frames that ask for more than a byte holds."""

    timesteps = 1

    def __call__(self, events):
        from spikewright.data.events import events_from

        joined = events_from("x", *[[0] * 300] * 4, size=(1, 1))
        return CountBins(1)(joined)

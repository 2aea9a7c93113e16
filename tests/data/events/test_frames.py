"""Frames: numbers by hand, no event lost or counted twice, and what tonic makes of the same recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikewright.core.errors import ArgumentError, DataError
from spikewright.data.events import CountBins, Downsample, FixedBins, TimeBins, VoxelGrid, binary, events_from
from spikewright.data.events.tonic_transform import to_tonic


def by_hand(t, p=None, size=(1, 1)):
    zero = np.zeros(len(t), np.int64)
    return events_from("hand", zero, zero, zero if p is None else np.array(p), np.array(t), size=size)


def total(frames):
    return frames.sum((1, 2, 3)).tolist()


def test_a_pixel_counts_its_own_events():
    x, y, p, t = (np.array(values) for values in ([2, 2, 0, 2], [0, 0, 1, 0], [1, 1, 0, 1], [0, 5, 15, 12]))
    frames = FixedBins(2, width=10)(events_from("x", x, y, p, t, size=(2, 3)))
    assert (frames.dtype, tuple(frames.shape)) == (torch.uint8, (2, 2, 2, 3))
    assert frames.nonzero().tolist() == [[0, 1, 0, 2], [1, 0, 1, 0], [1, 1, 0, 2]]
    assert frames[frames > 0].tolist() == [2, 1, 1]


def test_fixed_bins_begin_at_0_and_leave_out_what_is_later():
    assert total(FixedBins(3, width=10)(by_hand([9, 10, 29, 30, 99]))) == [1, 1, 1]
    assert total(FixedBins(3, width=10)(by_hand([-1, 25]))) == [0, 0, 1]


def test_time_bins_share_the_duration():
    # 100..109 in 3 steps: 100..102, 103..105, 106..109
    assert total(TimeBins(3)(by_hand(range(100, 110)))) == [3, 3, 4]
    assert total(TimeBins(3)(by_hand([7, 7]))) == [2, 0, 0]  # all at one time


def test_count_bins_share_the_events():
    assert total(CountBins(3)(by_hand([0, 1, 2, 900, 901, 902, 903]))) == [3, 2, 2]
    assert total(CountBins(4)(by_hand([5]))) == [1, 0, 0, 0]


@pytest.mark.parametrize("frames", [FixedBins(3, 5), TimeBins(3), CountBins(3), VoxelGrid(3)])
def test_a_recording_without_events_gives_empty_frames(frames, made):
    found = frames(made(0))
    assert (found.shape[0], int(found.count_nonzero())) == (3, 0)


@pytest.mark.parametrize("frames", [FixedBins(7, 3000), TimeBins(7), CountBins(7)])
@pytest.mark.parametrize("seed", range(5))
def test_every_event_is_counted_once_where_it_is(frames, seed, made):
    events = made(600, seed=seed)
    found = frames(events).long().sum(0)
    wanted = torch.zeros(events.shape, dtype=torch.int64)
    for x, y, p in zip(events.x, events.y, events.p, strict=True):
        wanted[int(p), int(y), int(x)] += 1
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("kind", [TimeBins, CountBins])
def test_binary_is_where_counted_is_not_0(kind, made):
    events = made(2000)
    assert torch.equal(kind(4, binary)(events), (kind(4)(events) > 0).to(torch.uint8))


def test_more_events_than_a_byte_holds_are_refused():
    with pytest.raises(
        DataError, match=r"frames: got 256 events of one pixel in one step; expected at most 255.*binary"
    ):
        CountBins(1)(by_hand([0] * 256))
    assert int(CountBins(1)(by_hand([0] * 255)).sum()) == 255
    assert int(CountBins(1, binary)(by_hand([0] * 256)).sum()) == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FixedBins(0, 5), "FixedBins.timesteps: got 0; expected a whole number of at least 1"),
        (lambda: FixedBins(5, 0.5), "FixedBins.width: got 0.5"),
        (lambda: TimeBins(True), "TimeBins.timesteps: got True"),
        (lambda: CountBins(-1), "CountBins.timesteps: got -1"),
        (lambda: VoxelGrid(0), "VoxelGrid.timesteps: got 0"),
        (lambda: Downsample(0), "Downsample.factor: got 0"),
    ],
)
def test_impossible_numbers_are_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_a_voxel_grid_shares_an_event_between_two_steps():
    # t* = 0, 0.5, 2: signs +, -, +
    found = VoxelGrid(3)(by_hand([0, 1, 4], p=[1, 0, 1]))
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == [0.5, -0.5, 1.0]
    assert VoxelGrid(1)(by_hand([0, 1, 4], p=[1, 0, 1])).flatten().tolist() == [1.0]


@pytest.mark.parametrize("polarities", [1, 2])
def test_a_voxel_grid_keeps_the_sum_of_signs(polarities, made):
    events = made(800, polarities=polarities)
    signs = np.where(events.p > 0, 1, -1) if polarities == 2 else np.ones(len(events))
    assert float(VoxelGrid(6)(events).sum()) == pytest.approx(signs.sum(), abs=1e-3)


@pytest.mark.parametrize("factor", [1, 2, 5, 20])
def test_down_sampling_adds_up_squares_of_pixels(factor, made):
    events = made(600, size=(10, 15))
    small = Downsample(factor)(events)
    whole, joined = FixedBins(2, 9000)(events).float(), FixedBins(2, 9000)(small).float()
    pads = (0, -15 % factor, 0, -10 % factor)
    wanted = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(whole, pads), factor) * factor**2
    assert torch.allclose(joined, wanted, atol=1e-3)


@pytest.fixture(scope="module")
def tonic():
    return pytest.importorskip("tonic.transforms")


def tonics(tonic, events, **arguments):
    """tonic's frames of the same events."""
    made = tonic.ToFrame(sensor_size=(events.width, events.height, events.polarities), **arguments)(to_tonic(events))
    return torch.from_numpy(made.astype(np.uint8))


@pytest.mark.parametrize("seed", range(4))
def test_fixed_bins_equal_tonics_time_windows(seed, tonic, made):
    events = made(900, seed=seed)
    wanted = tonics(tonic, events, time_window=1000, start_time=0, end_time=20_000)
    assert torch.equal(FixedBins(20, width=1000)(events), wanted)


@pytest.mark.parametrize("seed", range(4))
def test_count_bins_equal_tonics_event_bins(seed, tonic, made):
    events = made(900, seed=seed)  # tonic leaves out the remainder, so that T divides the number here
    assert torch.equal(CountBins(9)(events), tonics(tonic, events, n_event_bins=9))


@pytest.mark.parametrize("seed", range(4))
def test_time_bins_equal_tonics_but_for_the_events_that_tonic_leaves_out(seed, tonic, made):
    events = made(900, seed=seed)
    last = events.duration // 8 * 8
    whole = events.select(events.t <= last)
    at_end = events_from("x", [0], [0], [0], [last], size=(9, 12))  # so that the duration is a multiple of 8
    joined = events_from(
        "x", *(np.append(getattr(whole, part), getattr(at_end, part)) for part in "xypt"), size=(9, 12)
    )
    ours = TimeBins(8)(joined)
    ours[-1] -= CountBins(1)(joined.select(joined.t == last))[0]  # tonic's windows end before the last time
    assert torch.equal(ours, tonics(tonic, joined, n_time_bins=8))

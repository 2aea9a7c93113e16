"""EpochOrder: every sample once per epoch, the same order from the same seed, shares that make up each batch."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import DataError
from spikewright.data.epoch_order import EpochOrder


@pytest.mark.parametrize("seed", [None, 3])
def test_an_epoch_holds_every_sample_once(seed):
    order = EpochOrder(10, 4, seed=seed)
    numbers, places = zip(*order.batches(2), strict=True)
    assert (numbers, len(order)) == ((0, 1, 2), 3)
    assert sorted(torch.cat(places).tolist()) == list(range(10))
    assert torch.equal(torch.cat(places), order.whole(2))


def test_a_late_start_gives_the_same_batches():
    order = EpochOrder(10, 4, seed=1)
    whole, rest = list(order.batches(5)), list(order.batches(5, start=1))
    assert [number for number, _ in rest] == [1, 2]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(whole[1:], rest, strict=True))


def test_errors_name_the_batches_and_what_they_hold():
    with pytest.raises(DataError, match=r"Mine.dataset: got no recording; expected at least one"):
        EpochOrder(0, 4, who="Mine", noun="recording")
    with pytest.raises(DataError, match=r"last batch of 1 recordings for 2 processes; expected a recording for every"):
        EpochOrder(5, 4, seed=0, world_size=2, who="Mine", noun="recording")

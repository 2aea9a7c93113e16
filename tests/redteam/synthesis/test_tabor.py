"""TABOR: the terms by hand, a mask that lands on a trigger with a fixed place, and what is kept."""

import pytest
import torch

from spikewright.redteam.synthesis import TABOR
from spikewright.redteam.synthesis.tabor import elastic, roughness, stamped
from spikewright.redteam.synthesis.victim import Victim, under_test
from tests.redteam.synthesis.conftest import OPTIONS, TARGET, success, task_of

PLACE = (2, 9)


def restored(method, network, **settings):
    task = task_of(network, **settings)
    with under_test(network):
        return method.restore(task, Victim("TABOR", network, TARGET, task.backgrounds[:2]))


def test_sizes_by_hand():
    empty, full = torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    assert elastic(empty).tolist() == [0]
    assert roughness(empty).tolist() == [0]
    assert elastic(full).tolist() == [18]
    assert roughness(full).tolist() == [0]
    lone = empty.clone()
    lone[..., 1, 1] = 1
    assert elastic(lone).tolist() == [2]
    assert roughness(lone).tolist() == [4]


def test_a_stamp_by_hand():
    x = torch.zeros(1, 2, 3, 1, 2)
    out = stamped(x, torch.tensor([0.0, 0.5]).view(1, 1, 1, 2), torch.ones(1, 3, 1, 2))
    assert out.shape == (2, 3, 1, 2)
    assert out[0, 0].tolist() == [[0.0, 0.5]]


@pytest.mark.parametrize("blocked", [0.0, 0.5])
def test_the_penalties_are_never_negative(blocked, fixed):
    task = task_of(fixed, pictures=2)
    mask, pattern = torch.rand(2, 1, 16, 16), torch.rand(2, 3, 16, 16)
    x = task.seen[:4].view(2, 2, 3, 16, 16)
    victim = Victim("TABOR", fixed, TARGET, task.backgrounds[:2])
    zero = {"outside": 0.0, "rough_outside": 0.0}
    total = TABOR(**zero, blocked=blocked, alone=1.0).penalty(task, victim, x, mask, pattern)
    alone = TABOR(**zero, blocked=0.0, alone=1.0).penalty(task, victim, x, mask, pattern)
    assert bool((alone >= 0).all())
    assert bool((total >= alone).all())
    assert bool((total > alone).any()) is (blocked > 0)


def test_the_mask_lands_on_a_trigger_with_a_fixed_place(fixed):
    assert success(fixed, OPTIONS[2], PLACE) > 0.9
    found = restored(TABOR(steps=120), fixed, pictures=2)
    top, left = PLACE
    inside = found.mask[..., top : top + 5, left : left + 5].sum((1, 2, 3)) / found.mask.sum((1, 2, 3))
    assert bool(found.succeeded.all())
    assert float(inside.min()) >= 0.5
    assert 0.01 < float(found.mask.mean()) < 0.2
    assert float(found.pictures[..., 10:, :6].sub(0.5).abs().mean()) < 0.05, "grey where there is no mask"


def test_a_trigger_that_covers_everything_has_a_full_mask(fixed):
    found = restored(TABOR(steps=30), fixed, pictures=2, whole=True)
    assert bool((found.mask == 1).all())
    assert float(found.losses[-3:].mean()) < float(found.losses[:3].mean())


def test_masks_that_never_succeed_are_noted(clean):
    found = TABOR(steps=5).search(task_of(clean, pictures=2))
    assert found.notes == ("2 of 2 masks never reached the target in 99 % of the images",)

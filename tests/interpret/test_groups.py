"""Grids know nothing of the answer, and groups that do are recognised."""

from __future__ import annotations

import pytest
import torch

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.interpret import grid_groups, leaking_groups
from spikewright.interpret.groups import checked_groups, leaks


def test_a_grid_covers_everything_with_cells_of_one_size_at_a_place_of_the_seed() -> None:
    grids = [grid_groups(32, 32, seed=seed) for seed in range(12)]
    assert len({tuple(grid.flatten().tolist()) for grid in grids}) > 6
    for grid in grids:
        counts = torch.bincount(grid.flatten())
        assert counts.min() >= 1
        assert counts.max() == 16
        assert len(counts) in (64, 72, 81)
    assert torch.equal(grid_groups(32, 32, seed=3), grids[3])


def test_what_follows_the_place_is_seen() -> None:
    mask = torch.zeros(2, 16, 16, dtype=torch.bool)
    mask[:, 3:8, 4:9] = True
    assert leaks(leaking_groups(mask), mask).all()
    parts = leaking_groups(mask) * (1 + torch.arange(16) % 2)  # the place, cut in two, is still made of whole groups
    assert leaks(parts, mask).all()
    for seed in range(8):
        assert not leaks(grid_groups(16, 16, seed=seed).expand(2, -1, -1), mask).any()


def test_groups_of_any_numbers_are_numbered() -> None:
    images = torch.zeros(2, 3, 2, 2)
    found = checked_groups(torch.tensor([[7, 7], [-1, 3]]), images, 0)
    assert found.tolist() == [[[2, 2], [0, 1]]] * 2


def test_bad_groups() -> None:
    images = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ShapeError, match=r"attribute.groups: got torch.float32 of shape \[4, 4\]"):
        checked_groups(torch.zeros(4, 4), images, 0)
    with pytest.raises(ShapeError, match=r"expected whole numbers of shape \[4, 4\] or \[2, 4, 4\]"):
        checked_groups(torch.zeros(3, 4, 4, dtype=torch.long), images, 0)
    with pytest.raises(ArgumentError, match=r"grid_groups.size: got 9; expected a whole number from 1 to 8"):
        grid_groups(8, 8, 9)
    with pytest.raises(ShapeError, match=r"leaking_groups.masks"):
        leaking_groups(torch.zeros(4, 4))

"""Metrics on maps whose numbers are known, ties included."""

from __future__ import annotations

import math

import pytest
import torch

from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.core.seed import generator
from spikewright.interpret.baselines import centred, edges, noise
from spikewright.interpret.metrics import (
    METRICS,
    auroc,
    bootstrap,
    correlation,
    l1_distance,
    overlap,
    pointing_game,
)

MASK = torch.zeros(1, 8, 8, dtype=torch.bool)
MASK[0, 2:5, 3:6] = True
TRUE = MASK.float()
BLANK = torch.zeros(1, 8, 8)
AREA = 9 / 64


def test_the_mask_itself_is_perfect() -> None:
    found = [float(metric(TRUE, MASK)) for metric in (correlation, l1_distance, pointing_game, overlap, auroc)]
    assert found == pytest.approx([1, 0, 1, 1, 1])
    assert float(correlation(-TRUE, MASK)) == pytest.approx(-1)
    assert float(auroc(-TRUE, MASK)) == 0


def test_a_blank_map_has_no_correlation_and_the_chances_of_a_guess() -> None:
    assert correlation(BLANK, MASK).isnan().all()
    assert float(l1_distance(BLANK, MASK)) == pytest.approx(AREA)
    assert float(pointing_game(BLANK, MASK)) == pytest.approx(AREA)
    assert float(auroc(BLANK, MASK)) == 0.5
    assert float(overlap(BLANK, MASK)) == pytest.approx(AREA / (2 - AREA))


def test_random_maps_know_nothing() -> None:
    maps = torch.randn(100, 8, 8, generator=generator(0))
    masks = MASK.expand(100, 8, 8)
    assert abs(float(correlation(maps, masks).mean())) < 0.1
    assert float(auroc(maps, masks).mean()) == pytest.approx(0.5, abs=0.05)


def test_scale_changes_nothing_and_tiny_maps_are_maps() -> None:
    maps = torch.randn(3, 8, 8, generator=generator(1)).double()
    masks = MASK.expand(3, 8, 8)
    for metric in (correlation, l1_distance, pointing_game, overlap, auroc):
        torch.testing.assert_close(metric(maps * 1e-200, masks), metric(maps, masks))


def test_auroc_counts_pairs() -> None:
    values = torch.tensor([[[1.0, 2.0, 2.0, 3.0]]])
    masks = torch.tensor([[[False, True, False, True]]])
    assert float(auroc(values, masks)) == pytest.approx((1 + 0.5 + 2) / 4)


def test_sizes_are_a_metric_of_their_own() -> None:
    numbers = {name: float(metric(-TRUE, TRUE, MASK)) for name, metric in METRICS.items()}
    assert numbers["correlation"] == pytest.approx(-1)
    assert numbers["correlation of sizes"] == pytest.approx(1)
    assert (numbers["AUROC"], numbers["AUROC of sizes"]) == (0, 1)


def test_bootstrap_holds_the_mean_and_leaves_nan_out() -> None:
    mean, low, high = bootstrap(torch.tensor([0.0, 1.0, float("nan"), 0.5, 0.5]))
    assert mean == 0.5
    assert 0 <= low < 0.5 < high <= 1
    assert bootstrap(torch.tensor([0.1, 0.9]), seed=1) == bootstrap(torch.tensor([0.1, 0.9]), seed=1)
    assert all(map(math.isnan, bootstrap(torch.tensor([float("nan")]))))


def test_edges_lie_where_brightness_changes() -> None:
    step = torch.zeros(1, 3, 6, 6)
    step[..., 3:] = 1
    found = edges(step)[0]
    assert (found[:, [0, 1, 4, 5]] == 0).all()
    assert (found[:, 2:4] == 4).all()
    assert torch.equal(edges(step.transpose(2, 3))[0], found.T)


def test_the_other_baselines() -> None:
    images = torch.zeros(2, 3, 5, 5)
    assert centred(images)[0].argmax() == 12
    assert torch.equal(noise(images, 1), noise(images, 1))
    assert not torch.equal(noise(images, 1), noise(images, 2))


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"correlation: got masks \[1, 8, 8\] for maps \[2, 8, 8\]"):
        correlation(torch.zeros(2, 8, 8), MASK)
    with pytest.raises(ArgumentError, match=r"auroc.values: got shape \[8, 8\]; expected maps"):
        auroc(BLANK[0], MASK)
    with pytest.raises(ArgumentError, match=r"bootstrap.draws: got 0"):
        bootstrap(torch.zeros(2), draws=0)

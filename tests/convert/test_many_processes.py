"""Calibration shared by processes: every statistic as if one process had seen all images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikewright.convert import OPI, QCFS, convert, prepare_trained
from spikewright.convert.statistics import (
    ErrorOptimal,
    GaussianOptimal,
    Maximum,
    Percentile,
    per_channel,
    per_layer,
    per_neuron,
)
from spikewright.convert.statistics.histogram import RunningHistogram
from spikewright.convert.statistics.statistic import Measure, Statistic

from ..conftest import Group

STATISTICS = {
    "maximum": Maximum(groups=per_channel),
    "percentile": Percentile(percentile=98.0, groups=per_neuron),
    "error": ErrorOptimal(timesteps=4, groups=per_layer),
    "moments": GaussianOptimal(timesteps=4, groups=per_channel),
}
EXACT = (Maximum, Percentile, ErrorOptimal)
X = torch.rand(301, 2, 4, 4, generator=torch.Generator().manual_seed(3)) ** 3
X[0] *= 7  # the largest value is in one share alone, so the bins of the other have to move up


class Untouched(nn.Module):
    """Gives what it gets, so that no rounding depends on the size of a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x - 0.25


torch.manual_seed(0)  # of other weights all three units of the second layer may be silent
NET = nn.Sequential(Untouched(), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3), nn.ReLU(), nn.Linear(3, 2))


def shares(fabric) -> list[Tensor]:
    """Batches of 100 images over all processes; the last one has a single image, for the first process alone."""
    if fabric is None:
        return list(X.split(100))
    return [own for part in X.split(100) if len(own := part[fabric.global_rank :: fabric.world_size])]


def thresholds(fabric=None) -> dict[str, dict[str, Tensor]]:
    found = {}
    for name, statistic in STATISTICS.items():
        conversion = convert(NET, OPI(threshold=statistic), shares(fabric), fabric=fabric)
        assert conversion.thresholds.samples == len(X)
        found[name] = dict(conversion.thresholds)
    return found


def test_every_statistic_is_that_of_all_images(group: Group) -> None:
    expected = thresholds()
    first, second = group(thresholds)
    for name, statistic in STATISTICS.items():
        for site, value in expected[name].items():
            if isinstance(statistic, EXACT) and site == "1":
                assert torch.equal(first[name][site], value), (name, site)
            assert torch.allclose(first[name][site], value, rtol=2e-3), (name, site)
            assert torch.equal(first[name][site], second[name][site]), (name, site)


def test_fine_tuning_begins_with_the_thresholds_of_all_images(group: Group) -> None:
    def run(fabric=None) -> Tensor:
        ready = prepare_trained(NET, QCFS(levels=4), shares(fabric), statistic=Maximum(), fabric=fabric)
        return next(value for name, value in ready.state_dict().items() if name.startswith("1."))

    expected = run()
    for found in group(run):
        assert torch.equal(found, expected)


def test_histograms_that_were_put_aside_are_merged_too(group: Group) -> None:
    """Counts kept in int64, and bins that move up by the other process's largest value."""

    def run(fabric=None) -> tuple[Tensor, int]:
        histogram = RunningHistogram("act")
        parts = (torch.tensor([[0.0, 0.5, 0.7]]), torch.tensor([[0.3, 100.0]]))
        for rank, part in enumerate(parts):
            if fabric is None or rank == fabric.global_rank:
                histogram.count(part)
                histogram._older, histogram._recent[:] = histogram.counts.numpy(), 0
                histogram.count(part)
        if fabric is not None:
            histogram.merge(fabric)
            histogram.count(torch.tensor([[1.0]]))
        else:
            histogram.count(torch.tensor([[1.0]]))
        return histogram.counts, histogram.first

    expected = run()
    assert expected[0].sum() == 11
    for found in group(run):
        assert torch.equal(found[0], expected[0])
        assert found[1] == expected[1]


def test_a_process_without_images_is_an_error_in_all(group: Group) -> None:
    def run(fabric):
        convert(NET, OPI(), [] if fabric.global_rank else [X], example=X[:1], fabric=fabric)

    for text in group(run):
        assert text.startswith("DataError: calibration: got no sample; expected at least one batch of images")


@dataclass(frozen=True, kw_only=True, repr=False)
class Mean(Statistic):
    """A statistic of one's own that does not say how it is merged."""

    def begin(self, who: str) -> Measure:
        return _Mean()


class _Mean(Measure):
    def update(self, values: Tensor) -> None:
        self.mean = values.flatten(1).mean(1)

    def result(self) -> Tensor:
        return self.mean


def test_a_statistic_that_cannot_be_merged_says_so(group: Group) -> None:
    def run(fabric=None):
        convert(NET, OPI(threshold=Mean()), shares(fabric), fabric=fabric)

    run()
    match = "ArgumentError: _Mean: got values of 2 processes; expected those of one. Give it a method merge"
    assert all(text.startswith(match) for text in group(run))

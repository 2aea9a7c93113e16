"""Calibration statistics: maximum and percentile against torch, over batches, per channel, in any order."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikewright.convert import Maximum, Percentile, per_channel, per_layer
from spikewright.convert.statistics import Measure
from spikewright.core.errors import ArgumentError, DataError


def measured(statistic, batches: list[Tensor]) -> Tensor:
    measure: Measure = statistic.begin("site")
    for batch in batches:
        measure.update(statistic.groups(batch))
    return measure.result()


def activations(n: int, seed: int, scale: float = 1.0) -> Tensor:
    """ReLU-like numbers: half of them 0, with a long tail, [n, 3, 4, 5]."""
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, 3, 4, 5, generator=g).clamp(min=0) ** 2


def test_groups() -> None:
    a = torch.arange(24).view(2, 3, 2, 2)
    assert per_layer(a).shape == (1, 24)
    assert per_channel(a)[1].tolist() == [4, 5, 6, 7, 16, 17, 18, 19]
    assert per_channel(torch.arange(6).view(2, 3)).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_maximum() -> None:
    batches = [activations(10, seed) for seed in range(4)]
    everything = torch.cat(batches)
    assert measured(Maximum(), batches).item() == everything.max()
    assert torch.equal(measured(Maximum(groups=per_channel), batches), everything.amax((0, 2, 3)))


@pytest.mark.parametrize("percentile", [50, 75, 90, 99, 99.9, 100])
@pytest.mark.parametrize("groups", [per_layer, per_channel])
def test_percentile_is_torchs_within_the_stated_bound(groups, percentile: float) -> None:
    """Within 1/2048 of the largest value, and never below the value that the share does not exceed."""
    a = activations(100, 0, scale=3.7)
    found = measured(Percentile(percentile=percentile, groups=groups), [a])
    values = groups(a).double()
    exact = torch.quantile(values, percentile / 100, dim=1, interpolation="higher")
    lower = torch.quantile(values, percentile / 100, dim=1, interpolation="lower")
    assert (found >= lower).all()
    assert (found <= exact + a.max() / 2048).all()
    assert ((values <= found.unsqueeze(1)).double().mean(1) >= percentile / 100 - 1e-12).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.floats(1, 99), st.floats(-30, 30))
def test_percentile_of_any_data(seed: int, percentile: float, exponent: float) -> None:
    """The bound holds at any scale of the data and for any percentile."""
    a = activations(3, seed, scale=2.0**exponent)
    found = measured(Percentile(percentile=percentile), [a]).item()
    ordered = a.flatten().sort().values.tolist()
    rank = math.ceil(percentile / 100 * len(ordered) * (1 - 1e-12)) - 1
    assert ordered[rank] <= found <= ordered[rank] + ordered[-1] / 2048


def test_the_rank_of_99_9_per_cent_is_not_rounded_up() -> None:
    """Of 1000 values 999 do not exceed the 99.9th percentile: a single outlier does not become the threshold."""
    a = torch.full((1000, 1), 1.0)
    a[500] = 100.0
    assert measured(Percentile(percentile=99.9), [a]).item() == pytest.approx(1.0, abs=100 / 2048)
    assert measured(Percentile(percentile=100), [a]).item() == pytest.approx(100.0, abs=100 / 2048)


def test_the_range_doubles_over_batches() -> None:
    """Later batches with larger values change nothing about the bound."""
    batches = [activations(20, seed, scale=4.0**seed) for seed in range(6)]
    everything = torch.cat(batches)
    for percentile in (50, 90, 99):
        found = measured(Percentile(percentile=percentile), batches).item()
        lower, higher = (
            torch.quantile(everything.double(), percentile / 100, interpolation=kind).item()
            for kind in ("lower", "higher")
        )
        assert lower <= found <= higher + everything.max().item() / 2048


@pytest.mark.parametrize(
    "statistic", [Maximum(), Percentile(percentile=95), Percentile(percentile=95, groups=per_channel)]
)
def test_order_and_size_of_batches_do_not_matter(statistic) -> None:
    everything = torch.cat([activations(8, seed, scale=3.0**seed) for seed in range(5)])
    mixed = everything[torch.randperm(40, generator=torch.Generator().manual_seed(0))]
    expected = measured(statistic, [everything])
    for batches in ([mixed], list(mixed.split(1)), list(mixed.split(7)), list(everything.split(13))[::-1]):
        assert torch.equal(measured(statistic, batches), expected)


def test_zeros_count_and_are_told_from_small_values() -> None:
    half = torch.cat([torch.zeros(500), torch.full((500,), 2.0)]).view(-1, 1)
    assert measured(Percentile(percentile=40), [half]).item() == 0.0
    assert measured(Percentile(percentile=60), [half]).item() == 2.0


def test_zeros_first() -> None:
    batches = [torch.zeros(300, 1), torch.full((700, 1), 5.0)]
    assert measured(Percentile(percentile=90), batches).item() == pytest.approx(5.0, abs=5 / 2048)
    assert measured(Percentile(percentile=90), [torch.zeros(300, 1)]).item() == 0.0


def test_very_small_and_very_large_values() -> None:
    for scale in (1e-30, 1e30):
        a = activations(20, 0, scale=scale)
        found = measured(Percentile(percentile=90), [a]).item()
        if scale > 1:
            assert found == pytest.approx(torch.quantile(a, 0.9).item(), abs=a.max().item() / 1024)
        else:
            assert 0 < found < 2.0**-60


def test_too_few_values() -> None:
    with pytest.raises(
        DataError, match=r"site: got 60 values per group for the 99th percentile; expected at least 100"
    ):
        measured(Percentile(percentile=99), [activations(1, 0)])
    with pytest.raises(DataError, match=r"got 80 values per group for the 99th percentile"):
        measured(Percentile(percentile=99, groups=per_channel), [activations(4, 0)])
    measured(Percentile(percentile=99), [activations(2, 0)])


def test_exactly_enough_values() -> None:
    measured(Percentile(percentile=99.9), [torch.rand(1000, 1)])
    with pytest.raises(DataError, match="expected at least 1000"):
        measured(Percentile(percentile=99.9), [torch.rand(999, 1)])


@pytest.mark.parametrize("statistic", [Maximum(), Percentile()])
def test_no_value(statistic) -> None:
    with pytest.raises(DataError, match="got no value; expected at least one batch"):
        statistic.begin("site").result()


@pytest.mark.parametrize("percentile", [0, -1, 100.1, math.nan])
def test_percentile_range(percentile: float) -> None:
    with pytest.raises(ArgumentError, match=r"Percentile\.percentile: got .*; expected a number above 0, at most 100"):
        Percentile(percentile=percentile)

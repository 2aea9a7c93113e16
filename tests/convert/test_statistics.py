"""Calibration statistics: maximum and percentile against sorted data, over batches, per channel, in any order."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikewright.convert import COS, SRP, ErrorOptimal, Maximum, Percentile, per_channel, per_layer
from spikewright.convert.statistics import Measure
from spikewright.convert.statistics.histogram import RunningHistogram
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


def exact_percentile(values: np.ndarray, percentile: float) -> float:
    """The smallest of the values that the share of them does not exceed."""
    rank = math.ceil(percentile / 100 * values.size * (1 - 1e-12))
    return float(np.sort(values, axis=None)[rank - 1])


def close_from_above(found: float, exact: float, largest: float) -> bool:
    """Within 1/1024 of the exact value and not below it; values below 1/2048 of the largest may count as zero."""
    return exact <= found <= exact * (1 + 2**-10) or (found == 0 and exact <= largest / 2048)


def test_groups() -> None:
    a = torch.arange(24).view(2, 3, 2, 2)
    assert per_layer(a).flatten(1).tolist() == [list(range(24))]
    assert per_channel(a)[1].flatten().tolist() == [4, 5, 6, 7, 16, 17, 18, 19]
    assert per_channel(torch.arange(6).view(2, 3)).tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("groups", [per_layer, per_channel])
def test_groups_copy_nothing(groups) -> None:
    a = torch.zeros(2, 3, 4, 5)
    assert groups(a).data_ptr() == a.data_ptr()


def test_maximum() -> None:
    batches = [activations(10, seed) for seed in range(4)]
    everything = torch.cat(batches)
    assert measured(Maximum(), batches).item() == everything.max()
    assert torch.equal(measured(Maximum(groups=per_channel), batches), everything.amax((0, 2, 3)))
    assert measured(Maximum(), [-everything]).item() == 0


@pytest.mark.parametrize("percentile", [0.1, 50, 75, 90, 99, 99.9, 100])
@pytest.mark.parametrize("groups", [per_layer, per_channel])
def test_percentile_within_the_stated_bound(groups, percentile: float) -> None:
    a = activations(100, 0, scale=3.7)
    found = measured(Percentile(percentile=percentile, groups=groups), [a])
    assert len(found) == len(groups(a))
    for group, value in zip(groups(a), found.tolist(), strict=True):
        assert close_from_above(value, exact_percentile(group.numpy(), percentile), float(a.max()))


scales = st.lists(st.floats(-40, 40), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), scales, st.floats(0.1, 99.5), st.sampled_from([per_layer, per_channel]))
def test_percentile_of_batches_of_very_different_scale(seed: int, exponents, percentile: float, groups) -> None:
    """The bound holds for any percentile, whatever scale comes first."""
    batches = [activations(10 + seed % 7, seed + place, 2.0**exponent) for place, exponent in enumerate(exponents)]
    everything = torch.cat(batches)
    found = measured(Percentile(percentile=percentile, groups=groups), batches)
    for group, value in zip(groups(everything), found.tolist(), strict=True):
        assert close_from_above(value, exact_percentile(group.numpy(), percentile), float(everything.max()))


values = st.lists(st.floats(0, 2.0**127, width=32, allow_subnormal=False), min_size=20, max_size=60)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(values, st.integers(1, 19), st.floats(0.1, 94))
def test_percentile_of_any_values(numbers: list[float], cut: int, percentile: float) -> None:
    everything = torch.tensor(numbers).unsqueeze(1)
    found = measured(Percentile(percentile=percentile), [everything[:cut], everything[cut:]]).item()
    assert close_from_above(found, exact_percentile(everything.numpy(), percentile), float(everything.max()))


@pytest.mark.parametrize("percentile", [99, 99.9, 100])
def test_later_batches_may_be_far_below_or_far_above_the_first(percentile: float) -> None:
    """What was counted before stays right: a first batch of outliers, and one that all others dwarf."""
    for first, rest in ((1000.0, 1.0), (0.001, 1.0)):
        batches = [activations(20, 0, first), *(activations(200, seed, rest) for seed in range(1, 6))]
        found = measured(Percentile(percentile=percentile), batches).item()
        everything = torch.cat(batches)
        exact = exact_percentile(everything.numpy(), percentile)
        assert close_from_above(found, exact, float(everything.max()))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.floats(-30, 30), st.sampled_from([per_layer, per_channel]), st.integers(0, 3))
def test_the_compiled_count_is_the_plain_one(seed: int, exponent: float, groups, form: int) -> None:
    a = activations(20, seed, 2.0**exponent) - 0.1 * 2.0**exponent
    a = (a, a.contiguous(memory_format=torch.channels_last), a.transpose(2, 3), a[::3, :, 1:])[form]
    fast, plain = RunningHistogram("site"), RunningHistogram("site")
    fast.count(groups(a))
    plain.count_plainly(groups(a))
    assert torch.equal(fast.counts, plain.counts)
    assert fast.counts.sum() == a.numel()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.lists(st.floats(-30, 30), min_size=2, max_size=5), st.sampled_from([0, 1, 2]))
def test_bins_move_up_within_a_batch_as_between_batches(seed: int, exponents, axis: int) -> None:
    """The compiled loop meets a larger value anywhere, in any group; the plain one sees a batch's largest first."""
    parts = [activations(20, seed + place, 2.0**exponent) for place, exponent in enumerate(exponents)]
    a = torch.cat(parts, (0, 1, 3)[axis])
    for groups in (per_layer, per_channel):
        fast, plain = RunningHistogram("site"), RunningHistogram("site")
        for batch in (a[:5], a):
            fast.count(groups(batch))
            plain.count_plainly(groups(batch))
        assert fast.first == plain.first
        assert torch.equal(fast.counts, plain.counts)


def test_a_value_far_below_zero_moves_no_bins() -> None:
    histogram = RunningHistogram("site")
    histogram.count(torch.tensor([[1.0, 0.5]]))
    first = histogram.first
    histogram.count(torch.tensor([[-1e30, 1.0]]))
    assert histogram.first == first
    assert histogram.counts.sum() == 4


@pytest.mark.parametrize("count", [RunningHistogram.count, RunningHistogram.count_plainly])
@pytest.mark.parametrize("broken", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 4000])
def test_broken_values_are_refused_where_they_are_counted(count, broken: float, place: int) -> None:
    values, histogram = torch.rand(2, 5000), RunningHistogram("act")
    count(histogram, values)
    values[1, place] = broken
    with pytest.raises(DataError, match="calibration: act holds NaN or infinite values"):
        count(histogram, values)
    with pytest.raises(DataError, match="calibration: act holds NaN or infinite values"):
        count(RunningHistogram("act"), values)


@pytest.mark.parametrize("groups", [per_layer, per_channel])
def test_more_values_than_small_whole_numbers_count(monkeypatch: pytest.MonkeyPatch, groups) -> None:
    """What was counted is put aside in time, and moves up with the rest: nothing is lost, no place is another."""
    batches = [activations(10, seed, 3.0**seed) for seed in range(5)]
    whole, parts = RunningHistogram("site"), RunningHistogram("site")
    for batch in batches:
        whole.count(groups(batch))
    monkeypatch.setattr("spikewright.convert.statistics.histogram.COUNTABLE", 300)
    for batch in batches:
        parts.count(groups(batch))
    assert torch.equal(parts.counts, whole.counts)
    assert parts.total() == whole.total()
    for rank in (1, 40, parts.total()):
        expected = (whole.counts.numpy().cumsum(1) >= rank).argmax(1).tolist()
        assert parts.places_of(rank).tolist() == whole.places_of(rank).tolist() == expected


def test_the_rank_of_99_9_per_cent_is_not_rounded_up() -> None:
    """Of 1000 values 999 do not exceed the 99.9th percentile: a single outlier does not become the threshold."""
    a = torch.full((1000, 1), 1.0)
    a[500] = 100.0
    assert measured(Percentile(percentile=99.9), [a]).item() == 1.0
    assert measured(Percentile(percentile=100), [a]).item() == 100.0


STATISTICS = [
    Maximum(),
    Percentile(percentile=95),
    Percentile(percentile=95, groups=per_channel),
    ErrorOptimal(timesteps=4),
    ErrorOptimal(timesteps=4, groups=per_channel),
]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_order_and_size_of_batches_do_not_matter(statistic) -> None:
    everything = torch.cat([activations(8, seed, scale=3.0**seed) for seed in range(5)])
    mixed = everything[torch.randperm(40, generator=torch.Generator().manual_seed(0))]
    expected = measured(statistic, [everything])
    for batches in ([mixed], list(mixed.split(1)), list(mixed.split(7)), list(everything.split(13))[::-1]):
        assert torch.equal(measured(statistic, batches), expected)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_order_of_memory_does_not_matter(statistic) -> None:
    a = activations(60, 3)
    expected = measured(statistic, [a])
    for stored in (a.contiguous(memory_format=torch.channels_last), a.transpose(2, 3), a.double()[::2], a[::2]):
        batches = [stored.float()] if len(stored) == 60 else [a[::2].to(stored.dtype).float(), a[1::2]]
        assert torch.equal(measured(statistic, batches), expected)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_values_below_zero_count_as_zero(statistic) -> None:
    a = activations(60, 3)
    below = torch.where(a == 0, torch.tensor(-5.0), a)
    assert torch.equal(measured(statistic, [below]), measured(statistic, [a]))
    assert measured(statistic, [-a]).max() == 0


def test_zeros_count_and_are_told_from_small_values() -> None:
    half = torch.cat([torch.zeros(500), torch.full((500,), 2.0)]).view(-1, 1)
    assert measured(Percentile(percentile=40), [half]).item() == 0.0
    assert measured(Percentile(percentile=60), [half]).item() == 2.0


def test_zeros_first() -> None:
    batches = [torch.zeros(300, 1), torch.full((700, 1), 5.0)]
    assert measured(Percentile(percentile=90), batches).item() == 5.0
    assert measured(Percentile(percentile=90), [torch.zeros(300, 1)]).item() == 0.0


@pytest.mark.parametrize("scale", [1e-44, 1e-39, 1e-30, 1e30])
def test_very_small_and_very_large_values(scale: float) -> None:
    a = activations(20, 0, scale=scale)
    exact = exact_percentile(a.numpy(), 90)
    found = measured(Percentile(percentile=90), [a]).item()
    assert exact <= found <= exact * (1 + 2**-10) or found <= 2.0**-136  # smallest edge of a bin


def test_the_largest_float_stays_finite() -> None:
    a = torch.full((300, 1), torch.finfo(torch.float32).max)
    assert measured(Percentile(percentile=90), [a]).item() == a[0].item()


def test_histogram_of_two_groups_by_hand() -> None:
    """1024 bins from 1 to 2: what lies just above an edge belongs to the next bin, what lies on it to the one below."""
    histogram = RunningHistogram("site")
    histogram.count(torch.tensor([[1.0, 1.0001, 1.5], [0.0, -3.0, 1.5]]))
    edges, counts = histogram.edges(), histogram.counts
    assert {edges[place].item(): n.item() for place, n in enumerate(counts[0]) if n} == {1.0: 1, 1 + 2**-10: 1, 1.5: 1}
    assert {edges[place].item(): n.item() for place, n in enumerate(counts[1]) if n} == {0.0: 2, 1.5: 1}
    histogram.count(torch.tensor([[4096.0], [0.0]]))
    edges, counts = histogram.edges(), histogram.counts
    assert {edges[place].item(): n.item() for place, n in enumerate(counts[0]) if n} == {0.0: 3, 4096.0: 1}
    assert histogram.total() == 4


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


@pytest.mark.parametrize("statistic", [Maximum(), Percentile(), ErrorOptimal()])
def test_no_value(statistic) -> None:
    with pytest.raises(DataError, match="site: got no value; expected at least one batch"):
        statistic.begin("site").result()


@pytest.mark.parametrize("percentile", [0, -1, 100.1, math.nan])
def test_percentile_range(percentile: float) -> None:
    with pytest.raises(ArgumentError, match=r"Percentile\.percentile: got .*; expected a number above 0, at most 100"):
        Percentile(percentile=percentile)


def test_reprs_are_what_one_would_write() -> None:
    assert repr(ErrorOptimal(timesteps=4, groups=per_channel)) == "ErrorOptimal(groups=per_channel, timesteps=4)"
    recipe = COS(rho=8, threshold=Percentile())
    assert repr(recipe).startswith("COS(threshold=Percentile(groups=per_layer, percentile=99.9), start=0.5, levels=4,")
    assert repr(recipe).endswith("order=floor_then_clamp, keep_max_pools=False, rho=8, iterations=1, rule=guarded)")
    assert "rule=paper" in repr(SRP())

"""ErrorOptimal: least squared error by brute force over every piece of the error, against neurons, never beaten."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikewright.convert import ErrorOptimal, Maximum, Percentile, per_channel
from spikewright.convert.statistics.least_error import (
    ABSOLUTE,
    RELATIVE,
    indexed,
    least_error_threshold,
    place_of,
    step_error,
)
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF


def delivered(a: Tensor, threshold: float, timesteps: int) -> Tensor:
    """threshold * clip(floor(T a / threshold + 1/2), 0, T) / T."""
    return threshold * (timesteps * a / threshold + 0.5).floor().clamp(0, timesteps) / timesteps


def squared_error(a: Tensor, threshold: float, timesteps: int) -> float:
    return float((a.double() - delivered(a.double(), threshold, timesteps)).square().sum())


def least_error(a: Tensor, timesteps: int) -> float:
    """By force: the lowest point of every piece between two thresholds at which an activation changes its level."""
    a = a.double().flatten()
    a, top = a[a > 0], float(a.max())
    borders = timesteps * a.unsqueeze(1) / (torch.arange(timesteps, dtype=torch.float64) + 0.5)
    ends = torch.cat([borders[borders < top].flatten(), torch.tensor([1e-9 * top, top]).double()]).sort().values
    least = math.inf
    for low, high in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        k = (timesteps * a / ((low + high) / 2) + 0.5).floor().clamp(0, timesteps)
        b, c = float((a * k).sum()), float((k * k).sum())
        threshold = min(max(timesteps * b / c, low), high) if c else high
        least = min(least, float((a - threshold * k / timesteps).square().sum()))
    return least


def threshold_of(a: Tensor, timesteps: int, **options) -> Tensor:
    statistic = ErrorOptimal(timesteps=timesteps, **options)
    measure = statistic.begin("site")
    measure.update(statistic.groups(a))
    return measure.result()


def direct(a: Tensor, timesteps: int) -> float:
    """The threshold for activations as they are, not counted in bins."""
    values, counts = a[a > 0].double().unique(return_counts=True)
    return least_error_threshold(values.numpy(), counts.double().numpy(), timesteps)


def samples(kind: str, n: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    normal = torch.randn(n, generator=g)
    return {
        "half zero": normal.clamp(min=0),
        "zero-heavy": (normal - 1.5).clamp(min=0),
        "heavy-tailed": normal.clamp(min=0) * torch.exp(2 * torch.randn(n, generator=g)),
        "one outlier": torch.cat([normal.clamp(min=0), torch.tensor([1000.0])]),
        "few values": torch.randint(0, 6, (n,), generator=g).float(),
        "no zero": 1 + normal.abs(),
    }[kind]


KINDS = ("half zero", "zero-heavy", "heavy-tailed", "one outlier", "few values", "no zero")


def test_the_formula_is_what_a_neuron_delivers() -> None:
    a, timesteps, threshold = torch.linspace(0, 3, 200), 5, 1.75
    neuron = Spiking(IF(v_threshold=threshold, amplitude=threshold, start=0.5))
    with torch.no_grad():
        mean = neuron(a.unsqueeze(0).expand(timesteps, 1, 200).contiguous()).mean(0).squeeze(0)
    assert torch.allclose(mean, delivered(a, threshold, timesteps), atol=1e-6)


@pytest.mark.parametrize("timesteps", [1, 3, 8, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_error_is_the_sum_over_all_activations(kind: str, timesteps: int) -> None:
    a = samples(kind, 300, 1)
    values, counts = a[a > 0].double().unique(return_counts=True)
    above = torch.stack([counts * values**power for power in range(3)])
    above = torch.cat([above.flip(1).cumsum(1).flip(1), torch.zeros(3, 1)], 1)
    thresholds = (float(a.max()) * torch.linspace(0.01, 1, 57, dtype=torch.float64)).tolist()
    rising, sums = values.numpy(), above.numpy()
    starts = indexed(rising)
    found = [step_error(threshold, rising, starts, sums, timesteps)[0] for threshold in thresholds]
    expected = [squared_error(a, threshold, timesteps) for threshold in thresholds]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * float(above[2, 0]))


@pytest.mark.parametrize("scale", [1e-41, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("n", [1, 2, 50, 5000])
def test_the_index_finds_what_a_search_finds(n: int, scale: float) -> None:
    """At borders between values, at values themselves, beside the edges of bins, and beyond both ends."""
    rng = np.random.default_rng(n)
    values = np.unique(np.abs(rng.standard_normal(n).astype(np.float32) * np.float32(scale)).astype(np.float64))
    values = values[values > 0]
    around = [
        values,
        np.nextafter(values, 0),
        np.nextafter(values, np.inf),
        values * rng.uniform(0.5, 1.5, len(values)),
    ]
    edges = (values.astype(np.float32).view(np.int32) >> 13 << 13).view(np.float32).astype(np.float64)
    borders = np.concatenate(
        [*around, edges, edges * (1 + 1e-12), edges * (1 - 1e-12), values[[0, -1]] * [[0.1], [10]]], None
    )
    borders, starts = borders[borders > 0], indexed(values)
    assert [place_of(border, values, starts) for border in borders] == np.searchsorted(values, borders).tolist()


@pytest.mark.parametrize("timesteps", [1, 2, 4, 8])
@pytest.mark.parametrize("n", [4, 12, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_least_error_by_force(kind: str, n: int, timesteps: int) -> None:
    for seed in range(5):
        a = samples(kind, n, seed)
        if a.max() == 0:
            continue
        found, least = squared_error(a, direct(a, timesteps), timesteps), least_error(a, timesteps)
        assert found <= least + max(RELATIVE * least, ABSOLUTE * float(a.double().square().sum()))


@pytest.mark.parametrize("timesteps", [1, 4, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_least_error_through_the_histogram(kind: str, timesteps: int) -> None:
    """Bins of 1/1024 of an activation cost almost nothing."""
    a = samples(kind, 400, 7)
    found = squared_error(a, threshold_of(a.view(-1, 1), timesteps).item(), timesteps)
    assert found <= least_error(a, timesteps) * 1.01 + 1e-5 * float(a.double().square().sum())


def rounded_up(a: Tensor) -> Tensor:
    """The activations as the histogram knows them: to 11 significant binary digits."""
    mantissa, exponent = torch.frexp(a.double())
    return torch.ldexp((mantissa * 2048).ceil() / 2048, exponent)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(KINDS), st.integers(0, 10_000), st.integers(1, 20), st.floats(0.1, 99.9))
def test_never_worse_than_a_percentile_or_the_maximum(kind: str, seed: int, timesteps: int, percentile: float) -> None:
    a = rounded_up(samples(kind, 2000, seed)).float().view(-1, 1)
    a[a < a.max() / 2048] = 0
    found = squared_error(a, float(threshold_of(a, timesteps)), timesteps)
    for statistic in (Percentile(percentile=percentile), Maximum()):
        measure = statistic.begin("site")
        measure.update(statistic.groups(a))
        other = measure.result().item()
        if other > 0:
            assert found <= squared_error(a, other, timesteps) * (1 + 1e-6) + 1e-9


def test_one_step_by_hand() -> None:
    """T = 1: all of 1 and 2 cross half the threshold, so the threshold is their mean; 6 pulls it away from 1."""
    assert direct(torch.tensor([1.0, 2.0]), 1) == 1.5
    assert direct(torch.tensor([1.0, 2.0, 0.0, 0.0, 0.0]), 1) == 1.5
    assert direct(torch.tensor([1.0, 6.0]), 1) == 6.0


def test_equal_steps_lose_nothing() -> None:
    """1, 2 and 4 are levels of the threshold 4 in four steps."""
    assert threshold_of(torch.tensor([[1.0], [2.0], [4.0]]), 4).item() == 4.0


def test_more_steps_allow_a_higher_threshold() -> None:
    a = samples("half zero", 20_000, 0).view(-1, 1)
    found = [threshold_of(a, timesteps).item() for timesteps in (1, 2, 4, 8, 16, 32)]
    assert found == sorted(found)
    assert found[0] < 0.5 * found[-1] < a.max()


def test_zeros_change_nothing() -> None:
    a = samples("half zero", 500, 0).view(-1, 1)
    assert torch.equal(threshold_of(torch.cat([a, torch.zeros(900, 1)]), 8), threshold_of(a, 8))


@pytest.mark.parametrize("exponent", [-20, -1, 3, 20])
def test_scales_with_the_activations(exponent: int) -> None:
    a = samples("heavy-tailed", 500, 0).view(-1, 1)
    assert torch.equal(threshold_of(a * 2.0**exponent, 8), threshold_of(a, 8) * 2.0**exponent)


def test_per_channel_is_per_layer_of_each_channel() -> None:
    a = samples("half zero", 6000, 0).view(100, 3, 4, 5) * torch.tensor([1.0, 4.0, 0.0]).view(3, 1, 1)
    each = [threshold_of(a[:, place : place + 1], 8).item() for place in range(3)]
    assert threshold_of(a, 8, groups=per_channel).tolist() == pytest.approx(each, rel=1e-2)
    assert each[2] == 0


def test_many_steps_of_one_value() -> None:
    assert threshold_of(torch.full((5, 1), 3.0), 2000).item() == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize("timesteps", [0, -1, 2.5, None, True, "8"])
def test_timesteps_are_a_whole_number(timesteps) -> None:
    with pytest.raises(
        ArgumentError, match=r"ErrorOptimal\.timesteps: got .*; expected a whole number of at least 1\. Give the number"
    ):
        ErrorOptimal(timesteps=timesteps)

"""Gain and optimal thresholds: published tables, the definition by quadrature, and what is true of every root."""

import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikewright.convert import Levels
from spikewright.convert.statistics import gain, gaussian_error, iterated_threshold, level, optimal_threshold
from spikewright.core.errors import ArgumentError

RELU, PLAIN = [Levels.of_if(n) for n in (1, 2, 8, 64)], Levels.of_if(8)
MANY = [*RELU, Levels(4, 0, 60), Levels(4, -60, 60), Levels(2, 0, 510), Levels(5, -3, 7), Levels(4, -3, 0)]


def t(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def rounded(x: Tensor, digits: int) -> list[float]:
    return [round(value, digits) for value in x.tolist()]


def by_quadrature(theta: float, mu: float, sigma: float, levels: Levels) -> tuple[float, float]:
    """Gain and error from the definition: sums over a fine grid of x."""
    x = torch.linspace(mu - 12 * sigma, mu + 12 * sigma, 2_000_001, dtype=torch.float64)
    weight = torch.exp(-(((x - mu) / sigma) ** 2) / 2)
    weight /= weight.sum()
    f = level(x, theta, levels)
    c = f * levels.density / theta
    k = (weight * x * c).sum() / (theta / levels.density * (weight * c * c).sum())
    return float(k), float((weight * (f - x) ** 2).sum())


TABLE_100 = {
    (0.0, 1.0): (2.551, 3.191, 3.217, 3.218),
    (-1.0, 1.0): (1.977, 2.590, 2.619, 2.620),
    (0.1, 0.1): (0.332, 0.921, 0.994, 1.000),
    (0.02, 0.01): (0.045, 0.333, 0.817, 0.985),
}
TABLE_3000 = {
    (0.0, 1.0): (2.551, 3.615, 4.130, 4.234),
    (-1.0, 1.0): (1.977, 2.936, 3.442, 3.566),
    (0.1, 0.1): (0.329, 0.445, 0.866, 0.990),
    (0.02, 0.01): (0.041, 0.065, 0.251, 0.719),
}
TABLE_EXACT = {
    (0.0, 1.0): (2.551, 3.615, 4.216, 4.759),
    (-1.0, 1.0): (1.977, 2.936, 3.497, 4.010),
    (0.1, 0.1): (0.329, 0.443, 0.506, 0.562),
    (0.02, 0.01): (0.041, 0.053, 0.060, 0.066),
}


@pytest.mark.parametrize(("place", "n"), [(0, 8), (1, 64), (2, 256), (3, 1024)])
def test_thresholds_for_relu_as_the_authors_code_gives_them(place: int, n: int) -> None:
    """After 100 and 3000 iterations from 1, and where they lead."""
    mu, sigma = t(*(pair[0] for pair in TABLE_100)), t(*(pair[1] for pair in TABLE_100))
    levels = Levels.of_if(n)
    assert rounded(iterated_threshold(mu, sigma, levels, 100), 3) == [row[place] for row in TABLE_100.values()]
    assert rounded(optimal_threshold(mu, sigma, levels), 3) == [row[place] for row in TABLE_EXACT.values()]
    if n <= 256:
        assert rounded(iterated_threshold(mu, sigma, levels, 3000), 3) == [row[place] for row in TABLE_3000.values()]


@pytest.mark.parametrize(
    ("levels", "iterated", "exact"),
    [
        (Levels(4, 0, 60), (0.2519, 0.2978, 0.1954, 0.0382), (0.2390, 0.2652, 0.1939, 0.0293)),
        (Levels(4, -60, 60), (0.2519, 0.2771, 0.3374, 0.0357), (0.2390, 0.2595, 0.2907, 0.0291)),
        (Levels(2, 0, 510), (0.1254, 0.1532, 0.0868, 0.0191), (0.0176, 0.0192, 0.0147, 0.0021)),
        (Levels(16, 0, 240), (0.7113, 0.7787, 0.5720, 0.1512), (0.2793, 0.3066, 0.2314, 0.0336)),
    ],
    ids=["n=4 T=4 ReLU", "n=4 T=4 line", "n=8 T=2 ReLU", "n=4 T=16 ReLU"],
)
def test_thresholds_of_several_spikes_as_the_authors_code_gives_them(levels: Levels, iterated, exact) -> None:
    mu, sigma = t(0, 0.5, -1, 0.1), t(1, 1, 1, 0.1)
    assert rounded(iterated_threshold(mu, sigma, levels, 1500, epsilon=1e-8), 4) == list(iterated)
    assert rounded(optimal_threshold(mu, sigma, levels), 4) == list(exact)


@pytest.mark.parametrize("levels", MANY, ids=str)
@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (0.7, 0.5), (-1.5, 1.0), (2.0, 0.4)])
def test_gain_and_error_by_quadrature(levels: Levels, mu: float, sigma: float) -> None:
    for factor in (0.6, 1.0, 1.7):
        theta = factor * float(optimal_threshold(t(mu), t(sigma), levels))
        k, error = by_quadrature(theta, mu, sigma, levels)
        assert gain(t(theta), t(mu), t(sigma), levels).item() == pytest.approx(k, rel=1e-4)
        assert gaussian_error(t(theta), t(mu), t(sigma), levels).item() == pytest.approx(error, rel=1e-4)


def test_gain_is_the_published_closed_form() -> None:
    """Sums of erf, where they lose nothing."""
    for levels in (PLAIN, Levels(4, -9, 12), Levels(4, -6, 6)):
        n, a, b = levels.density, levels.lowest, levels.highest
        for theta, mu, sigma in ((1.0, 0.0, 1.0), (2.5, 0.4, 0.7), (0.7, -0.8, 0.9)):
            z = [((2 * i - 1) * theta / (2 * n) - mu) / (math.sqrt(2) * sigma) for i in range(a + 1, b + 1)]
            odd = [2 * i - 1 for i in range(a + 1, b + 1)]
            top = mu * (n / theta) * (a + b - sum(map(math.erf, z)))
            top += sigma * math.sqrt(2 / math.pi) * (n / theta) * sum(math.exp(-each * each) for each in z)
            bottom = a * a + b * b - sum(o * math.erf(each) for o, each in zip(odd, z, strict=True))
            assert gain(t(theta), t(mu), t(sigma), levels).item() == pytest.approx(top / bottom, rel=1e-12)


def test_one_level_and_a_mean_of_zero_by_hand() -> None:
    for theta, sigma in ((0.5, 1.0), (1.3, 1.0), (3.0, 2.0)):
        expected = math.sqrt(2 / math.pi) * sigma / theta * math.exp(-(theta**2) / (8 * sigma**2))
        expected /= math.erfc(theta / (2 * math.sqrt(2) * sigma))
        assert gain(t(theta), t(0), t(sigma), Levels.of_if(1)).item() == pytest.approx(expected, rel=1e-13)


inputs = st.tuples(st.floats(-6, 2.9), st.floats(-8, 8))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(inputs, st.sampled_from(MANY))
def test_the_root_and_the_two_sides_of_it(given_, levels: Levels) -> None:
    """k = 1 at the root, above 1 below it and below 1 above it; the error is least there."""
    mu, sigma = (t(given_[0]) * 2.0 ** given_[1]), t(2.0 ** given_[1])
    if levels == Levels(4, -3, 0):
        mu = -mu
    theta = optimal_threshold(mu, sigma, levels)
    assert gain(theta, mu, sigma, levels).item() == pytest.approx(1, abs=1e-10)
    if levels.lowest not in (0, -levels.highest) and levels.highest:
        return  # uneven sides: held to the least error alone, see below
    for factor in (0.3, 0.8, 0.97, 1.03, 1.3, 4.0):
        k = gain(factor * theta, mu, sigma, levels).item()
        assert k > 1 if factor < 1 else k < 1


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(-8, 40), st.sampled_from([Levels.of_if(2), PLAIN, Levels(8, -8, 8), Levels(5, -3, 7)]))
def test_no_threshold_has_a_smaller_error(mu: float, levels: Levels) -> None:
    """Narrow inputs far from 0 too, where the gain is 1 at several thresholds."""
    m, one = t(mu), t(1)
    theta = optimal_threshold(m, one, levels)
    others = theta * torch.exp(torch.linspace(-3, 3, 2001, dtype=torch.float64))
    least = gaussian_error(others, m.expand(2001), one.expand(2001), levels).min()
    assert gaussian_error(theta, m, one, levels).item() <= float(least) * (1 + 1e-6) + 1e-13 * (1 + mu * mu)


@pytest.mark.parametrize("levels", MANY, ids=str)
def test_an_iteration_never_raises_the_error(levels: Levels) -> None:
    mu, sigma = t(0, 0.5, -1, 2, 0.1), t(1, 1, 1, 0.5, 0.1)
    errors = []
    for iterations in (1, 2, 3, 10, 50):
        theta = iterated_threshold(mu, sigma, levels, iterations)
        errors.append(gaussian_error(theta, mu, sigma, levels))
        k = gain(theta, mu, sigma, levels)
        assert torch.all(gaussian_error(k * theta, mu, sigma, levels) <= errors[-1] + 1e-14)
    assert torch.all(torch.stack(errors).diff(dim=0) <= 1e-14)
    assert torch.all(gaussian_error(optimal_threshold(mu, sigma, levels), mu, sigma, levels) <= errors[-1] + 1e-14)


@pytest.mark.parametrize("scale", [2.0**-30, 3.0])
def test_thresholds_scale_with_the_input(scale: float) -> None:
    mu, sigma = t(0, 0.5, -3, 2, -20, 7), t(1, 2, 1, 0.5, 1, 1)
    for levels in MANY:
        found, expected = (
            optimal_threshold(scale * mu, scale * sigma, levels),
            scale * optimal_threshold(mu, sigma, levels),
        )
        assert torch.allclose(found, expected, rtol=1e-9, atol=0)


def test_mirrored_levels_do_not_tell_the_sign_of_the_mean() -> None:
    mu = t(0.1, 0.5, 1, 3, 6, 20)
    for levels in (Levels(4, -60, 60), PLAIN.mirrored()):
        found = optimal_threshold(mu, 1 + 0 * mu, levels)
        assert torch.allclose(found, optimal_threshold(-mu, 1 + 0 * mu, levels), rtol=1e-9)


def test_more_levels_or_steps_never_cost_error() -> None:
    mu, sigma = t(0, 0.5, -1), t(1, 1, 1)
    errors = []
    for levels in (Levels(1, 0, 3), Levels(2, 0, 6), Levels(2, 0, 14), Levels(4, 0, 28), Levels(4, 0, 60)):
        errors.append(gaussian_error(optimal_threshold(mu, sigma, levels), mu, sigma, levels))
    assert torch.all(torch.stack(errors).diff(dim=0) <= 0)


@pytest.mark.parametrize("levels", MANY, ids=str)
def test_inputs_that_hardly_ever_leave_their_cell(levels: Levels) -> None:
    """Dead channels: finite, above 0 and a root, though the tails underflow."""
    mu = t(-30, -1e3, -9e5) if levels.highest else t(30, 1e3, 9e5)
    one = 1 + 0 * mu
    theta = optimal_threshold(mu, one, levels)
    assert torch.all(torch.isfinite(theta) & (theta > 0))
    assert torch.allclose(gain(theta, mu, one, levels), one, atol=1e-7)
    if 0 in (levels.lowest, levels.highest):  # beyond 0 the input falls off exponentially, at the rate |mu|
        assert (theta * mu.abs()).tolist() == pytest.approx([(theta * mu.abs())[1].item()] * 3, rel=1e-2)


def test_constant_inputs() -> None:
    mu, sigma = t(3, -3, 0, 3, 0), t(0, 0, 0, 1e-9, 0)
    assert optimal_threshold(mu, sigma, PLAIN).tolist() == [3, 0, 0, 3, 0]
    assert optimal_threshold(mu, sigma, Levels(4, 0, 60)).tolist() == pytest.approx([0.2, 0, 0, 0.2, 0])
    assert optimal_threshold(mu, sigma, Levels(4, -60, 60)).tolist() == pytest.approx([0.2, 0.2, 0, 0.2, 0])
    assert optimal_threshold(mu, sigma, Levels(4, -2, 0)).tolist() == [0, 6, 0, 0, 0]
    nearly = optimal_threshold(t(3, 3), t(2e-6, 4e-6), PLAIN)
    assert nearly.tolist() == pytest.approx([3, 3], rel=1e-5)


def test_the_iteration_gives_1_where_the_published_quotient_is_0_by_0() -> None:
    assert iterated_threshold(t(-20, -1), t(1, 1), PLAIN, 100).tolist()[0] == 1
    assert iterated_threshold(t(-1), t(0), PLAIN, 100).tolist() == [1]


def test_many_groups_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    mu = torch.linspace(-2, 5, 30, dtype=torch.float64)
    expected = optimal_threshold(mu, 1 + 0 * mu, PLAIN)
    monkeypatch.setattr(importlib.import_module("spikewright.convert.statistics.gain"), "_PART", 56)
    assert torch.equal(optimal_threshold(mu, 1 + 0 * mu, PLAIN), expected)


def test_level_is_the_nearest_one() -> None:
    x = torch.linspace(-3, 3, 601, dtype=torch.float64)
    steps = 0.5 * torch.arange(-2, 5, dtype=torch.float64)
    found = level(x, 2.0, Levels(4, -2, 4))
    assert torch.allclose((found - x).abs(), (x.unsqueeze(1) - steps).abs().amin(1))


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ((0, 0, 1), r"Levels\.density: got 0; expected a whole number of at least 1"),
        ((2.0, 0, 1), r"Levels\.density: got 2\.0; expected a whole number"),
        ((2, 1, 3), r"Levels\.lowest: got 1; expected a whole number of at most 0"),
        ((2, -1, -1), r"Levels\.highest: got -1; expected a whole number of at least 0"),
        ((2, 0, True), r"Levels\.highest: got True; expected a whole number of at least 0"),
        ((2, 0, 0), r"Levels\.highest: got 0, as is the lowest; expected a number above the lowest\. One level says"),
    ],
)
def test_levels_are_checked(given_, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Levels(*given_)


def test_timesteps_of_an_if_neuron_are_checked() -> None:
    with pytest.raises(ArgumentError, match=r"Levels\.of_if\.timesteps: got 0; expected a whole number of at least 1"):
        Levels.of_if(0)
    assert Levels.of_if(3) == Levels(density=3, lowest=0, highest=3)
    assert Levels(3, -5, 2).mirrored() == Levels(3, -5, 5)

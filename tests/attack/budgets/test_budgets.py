"""Budgets: the nearest allowed point, the steepest direction, random points and noise of full size."""

import math

import pytest
import torch

from spikewright.attack import L2, Linf
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator

BOTH = pytest.mark.parametrize("budget", [Linf(eps=0.2), L2(eps=0.7)], ids=["Linf", "L2"])


@pytest.fixture
def x():
    return torch.rand(40, 3, 4, generator=torch.Generator().manual_seed(0))


@BOTH
def test_a_projection_is_allowed_and_stays_where_it_is(budget, x):
    far = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    z = budget.project(far, x)
    assert budget.contains(z, x).all()
    torch.testing.assert_close(budget.project(z, x), z, rtol=0, atol=1e-6)
    assert (budget.distance(z, x) > 0.1).all()


@BOTH
def test_what_lies_outside_is_not_contained(budget, x):
    assert not budget.contains(x + 3 * budget.eps, x).any()
    assert not budget.contains(torch.full_like(x, -0.01), torch.zeros_like(x)).any()


@BOTH
def test_the_steepest_direction_has_length_one_and_rises_most(budget, x):
    gradient = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    best = budget.steepest(gradient)
    torch.testing.assert_close(budget.distance(best, torch.zeros_like(best)), torch.ones(len(x)))
    rise = (best * gradient).flatten(1).sum(1)
    for seed in range(20):
        other = torch.randn(x.shape, generator=torch.Generator().manual_seed(100 + seed))
        other = other / budget.distance(other, torch.zeros_like(other)).view(-1, 1, 1)
        assert (rise >= (other * gradient).flatten(1).sum(1)).all()


@BOTH
def test_ascent_is_a_step_of_that_length(budget, x):
    gradient = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    z = x + 0.1
    step = budget.ascend(z, x, gradient, 0.25)
    torch.testing.assert_close(budget.distance(step, z), torch.full((40,), 0.25 * budget.eps), rtol=1e-4, atol=0)
    torch.testing.assert_close(step, budget.scaled(0.25).ascend(z, x, gradient, 1.0))


@BOTH
def test_no_gradient_has_no_direction(budget):
    assert torch.equal(budget.steepest(torch.zeros(2, 3)), torch.zeros(2, 3))


@BOTH
def test_noise_has_full_size_where_nothing_is_cut(budget):
    x = torch.full((50, 30), 0.5)
    torch.testing.assert_close(budget.distance(budget.edge(x, generator(0)), x), torch.full((50,), budget.eps))
    inner = budget.distance(budget.sample(x, generator(0)), x)
    assert (inner <= budget.eps + 1e-6).all()
    assert inner.std() > 0


def test_noise_in_linf_is_at_the_corners():
    change = Linf(eps=0.2).edge(torch.full((4, 100), 0.5), generator(0)) - 0.5
    torch.testing.assert_close(change.abs(), torch.full((4, 100), 0.2))
    assert 0.3 < float((change > 0).double().mean()) < 0.7


def test_samples_fill_the_ball():
    x = torch.full((4000, 2), 0.5)
    lengths = L2(eps=0.4).distance(L2(eps=0.4).sample(x, generator(0)), x) / 0.4
    assert float((lengths < math.sqrt(0.5)).double().mean()) == pytest.approx(0.5, abs=0.03)


def test_l2_by_hand():
    x, z = torch.tensor([[0.5, 0.5], [0.9, 0.5]]), torch.tensor([[0.5 + 0.6, 0.5 + 0.8], [0.9 + 0.5, 0.5]])
    expected = torch.tensor([[0.5 + 0.06, 0.5 + 0.08], [1.0, 0.5]])
    torch.testing.assert_close(L2(eps=0.1).project(z, x), expected)


def test_linf_by_hand():
    x, z = torch.tensor([[0.5, 0.0, 0.95]]), torch.tensor([[0.1, -1.0, 2.0]])
    torch.testing.assert_close(Linf(eps=0.25).project(z, x), torch.tensor([[0.25, 0.0, 1.0]]))


def test_values_outside_the_range_are_not_cut():
    counts = torch.tensor([[7.0, 0.0, 1.0]])
    assert torch.equal(Linf(eps=0.0).project(counts, counts), counts)
    assert Linf(eps=0.5).project(counts + 9, counts).tolist() == [[7.0, 0.5, 1.0]]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"eps": -0.1}, r"Linf.eps: got -0.1; expected a finite number of at least 0"),
        ({"eps": math.inf}, r"Linf.eps: got inf"),
        ({"eps": "8/255"}, r"Linf.eps: got '8/255'; expected a number"),
        ({"low": math.nan}, r"Linf.low: got nan"),
        ({"low": 1.0, "high": 1.0}, r"Linf: got low=1.0, high=1.0; expected a low below the high"),
    ],
)
def test_wrong_arguments(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        Linf(**arguments)

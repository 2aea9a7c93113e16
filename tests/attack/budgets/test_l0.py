"""L0: so many values change, each as far as it likes; the values with the most to gain are found exactly."""

from itertools import combinations

import pytest
import torch

from spikewright.attack import FGSM, L0, PGD, Classifier, perturb, run_attack
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator


@pytest.fixture
def x():
    return torch.rand(40, 3, 4, generator=torch.Generator().manual_seed(0))


def gaussian(x, seed):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def test_by_hand():
    x = torch.tensor([[0.5, 0.5, 0.5, 1.0]])
    z = torch.tensor([[0.9, 0.4, 0.2, 7.0]])
    assert torch.equal(L0(eps=2).project(z, x), torch.tensor([[0.9, 0.5, 0.2, 1.0]]))
    assert L0(eps=2).distance(z, x).tolist() == [4]
    assert L0(eps=3).contains(z.clamp(max=1.0), x).tolist() == [True]
    assert L0(eps=2).contains(z.clamp(max=1.0), x).tolist() == [False]


def test_a_projection_is_the_nearest_allowed_point():
    x = torch.rand(30, 5, generator=torch.Generator().manual_seed(0))
    far = x + gaussian(x, 1)
    z = L0(eps=2).project(far, x)
    for places in combinations(range(5), 2):
        other = x.clone()
        other[:, places] = far.clamp(0, 1)[:, places]
        assert ((far - z).norm(dim=1) <= (far - other).norm(dim=1) + 1e-6).all()
    assert torch.equal(L0(eps=2).project(z, x), z)


def test_ascent_from_x_is_the_best_change_of_that_many_values():
    x = torch.rand(30, 5, generator=torch.Generator().manual_seed(0))
    gradient = 1e-12 * gaussian(x, 1)  # as small as gradients are
    z = L0(eps=2).ascend(x, x, gradient, 1.0)
    rise = (gradient * (z - x)).sum(1)
    for places in combinations(range(5), 2):
        other = x.clone()
        other[:, places] = (gradient > 0).float()[:, places]
        assert (rise >= (gradient * (other - x)).sum(1) - 1e-18).all()


def test_ascent_gives_back_what_gains_least():
    x, z = torch.full((1, 4), 0.5), torch.tensor([[1.0, 0.0, 0.5, 0.5]])
    moved = L0(eps=2).ascend(z, x, torch.tensor([[2.0, 1.0, 3.0, 0.0]]), 0.5)
    assert moved.tolist() == [[1.0, 0.5, 1.0, 0.5]]
    moved = L0(eps=2).ascend(z, x, torch.tensor([[2.0, -3.0, 1.0, 0.0]]), 0.5)
    assert moved.tolist() == [[1.0, 0.0, 0.5, 0.5]]  # a new one would gain less than either


def test_no_gradient_changes_nothing(x):
    assert torch.equal(L0(eps=3).ascend(x, x, torch.zeros_like(x), 1.0), x)
    assert not L0(eps=3).steepest(torch.zeros_like(x)).any()


def test_the_steepest_single_value():
    assert L0().steepest(torch.tensor([[0.5, -2.0, 1.0]])).tolist() == [[0, -1, 0]]


def test_noise_changes_so_many_values_to_an_end(x):
    x[0], x[1] = 0.0, 1.0
    budget = L0(eps=5)
    noise, start = budget.edge(x, generator(0)), budget.sample(x, generator(0))
    assert budget.distance(noise, x).tolist() == [5] * 40
    assert budget.distance(start, x).tolist() == [5] * 40
    assert set(noise[noise != x].tolist()) == {0.0, 1.0}
    assert start[start != x].unique().numel() > 150
    assert (noise != x).float().mean(0).std() < 0.15  # all places alike


def test_a_budget_above_the_number_of_values(x):
    assert torch.equal(L0(eps=100).project(x + 0.1, x), (x + 0.1).clamp(max=1))
    assert (L0(eps=100).edge(x, generator(0)) != x).all()


def test_shares_are_whole_numbers():
    assert [L0(eps=10).scaled(share).eps for share in (0.0, 0.01, 0.7, 0.71, 1.0)] == [0, 1, 7, 8, 10]


def test_one_value_too_many(images, network):
    view = Classifier(network, 3)
    y = view(images).argmax(1)
    z = perturb(view, FGSM(), L0(eps=4), images, y, generator=generator(0))
    assert L0().distance(z, images).tolist() == [4] * 5
    few, many = (run_attack(view, PGD(steps=20), L0(eps=eps), [(images, y)]) for eps in (1, 20))
    assert many.robust_accuracy == 0
    assert few.robust_accuracy > 0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: L0(eps=2.5), r"L0.eps: got 2.5; expected a whole number of values"),
        (lambda: L0(eps=-1), r"L0.eps: got -1"),
        (lambda: L0(high=float("inf")), r"L0: got low=0.0, high=inf; expected a finite range. A changed value may"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

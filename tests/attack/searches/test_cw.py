"""CW: the shortest perturbation of a linear network is known; exact ends of the range; judged in the budget."""

import pytest
import torch
from torch import nn

from spikewright.attack import CW, HART, L2, PGD, Classifier, Linf, perturb, run_attack
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator

WIDE = L2(eps=9.0, low=-9.0, high=9.0)


def plane():
    """Class 0 where 3 z0 + 4 z1 > 1."""
    layer = nn.Linear(2, 2)
    layer.weight.data, layer.bias.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([-1.0, 0.0])
    return Classifier(layer)


@pytest.mark.parametrize("weight", [0.01, 10.0])
def test_it_finds_the_shortest_way_to_a_plane(weight):
    x = torch.tensor([[1.0, 1.0], [0.5, 0.25], [0.0, -1.0]])  # 6 / 5, 1.5 / 5 and 1 away from it
    y = plane()(x).argmax(1)
    search = CW(steps=80, rounds=8, weight=weight, rate=0.05)
    z = perturb(plane(), search, WIDE, x, y, generator=generator(0))
    lengths = (z - x).norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.2, 0.3, 1.0]), rtol=0.03, atol=0.005)
    assert (lengths > torch.tensor([1.2, 0.3, 1.0])).all()
    assert (plane()(z).argmax(1) != y).all()


def test_confidence_goes_farther():
    x, y = torch.tensor([[1.0, 1.0]]), torch.tensor([0])
    z = perturb(plane(), CW(steps=80, rounds=6, rate=0.05, confidence=2.0), WIDE, x, y, generator=generator(0))
    assert float((z - x).norm()) == pytest.approx(8 / 5, rel=0.03)


def test_values_at_the_ends_of_the_range_move():
    x = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    y = plane()(x).argmax(1)
    z = perturb(plane(), CW(rate=0.05), L2(eps=2.0), x, y, generator=generator(0))
    assert (plane()(z).argmax(1) != y).all()
    assert (z[0] < 1).all()
    assert (z[1] > 0).all()


def test_it_comes_nearer_than_pgd_and_is_judged_by_the_budget(network):
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    view = Classifier(network, 3, rule=HART(gamma=1.0))
    batches = [(x, view(x).argmax(1))]
    search = CW(steps=16, rounds=4)
    near, far = run_attack(view, search, L2(eps=3.0), batches), run_attack(view, PGD(), L2(eps=3.0), batches)
    assert near.robust_accuracy == far.robust_accuracy == 0
    assert near.distances.mean() < 0.5 * far.distances.mean()
    small = float(near.distances.median())
    judged = run_attack(view, search, L2(eps=small), batches, keep=True)
    assert 0.2 < judged.robust_accuracy < 0.8
    assert (judged.distances <= small + 1e-5).all()


def test_it_goes_on_after_a_success(network, images):
    view = Classifier(network, 3, rule=HART(gamma=1.0))
    result = run_attack(view, CW(steps=5, rounds=3), L2(eps=3.0), [(images, view(images).argmax(1))])
    assert result.backwards == 15


def test_a_target_is_reached():
    layer = nn.Linear(2, 3, bias=False)
    layer.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    x, y = torch.tensor([[0.8, 0.5]]), torch.tensor([0])
    z = perturb(
        Classifier(layer),
        CW(steps=60, rounds=1, rate=0.05),
        WIDE,
        x,
        y,
        generator=generator(0),
        targets=torch.tensor([2]),
    )
    assert Classifier(layer)(z).argmax(1).tolist() == [2]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: CW(steps=0), r"CW.steps: got 0"),
        (lambda: CW(rounds=0), r"CW.rounds: got 0"),
        (lambda: CW(weight=0.0), r"CW.weight: got 0.0; expected a number above 0"),
        (lambda: CW(rate=-1.0), r"CW.rate: got -1.0"),
        (lambda: CW(confidence=-1.0), r"CW.confidence: got -1.0; expected a number of at least 0"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_it_is_for_l2(network, images, labels):
    with pytest.raises(ArgumentError, match=r"CW: got a budget Linf; expected L2. PGD takes every norm"):
        perturb(Classifier(network, 3), CW(), Linf(), images, labels, generator=generator(0))

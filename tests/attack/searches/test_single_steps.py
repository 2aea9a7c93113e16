"""RFGSM, MIFGSM and RandomNoise: equal to what they contain, and by hand."""

import pytest
import torch
from torch import nn

from spikewright.attack import (
    FGSM,
    HART,
    L0,
    L2,
    MIFGSM,
    PGD,
    RFGSM,
    Classifier,
    Linf,
    RandomNoise,
    cross_entropy,
    margin,
    perturb,
)  # fmt: skip
from spikewright.attack.budget import unit_mean
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator

EACH = pytest.mark.parametrize("budget", [Linf(eps=0.1), L2(eps=0.5), L0(eps=4)], ids=["Linf", "L2", "L0"])


@pytest.fixture
def view(network):
    return Classifier(network, 3, rule=HART(gamma=1.0))


def linear(weight):
    """Two classes; the first one's logit is the weighted sum, the other's 0."""
    layer = nn.Linear(len(weight), 2, bias=False).double()
    layer.weight.data = torch.tensor([weight, [0.0] * len(weight)], dtype=torch.float64)
    return Classifier(layer)


@EACH
def test_without_a_random_step_it_is_fgsm(budget, view, images, labels):
    z = perturb(view, RFGSM(share=0.0), budget, images, labels, generator=generator(0))
    assert torch.equal(z, perturb(view, FGSM(), budget, images, labels, generator=generator(0)))


def test_two_halves_of_the_budget():
    x = torch.full((200, 2), 0.5, dtype=torch.float64)
    z = perturb(
        linear([1.0, -1.0]), RFGSM(), Linf(eps=0.2), x, torch.zeros(200, dtype=torch.int64), generator=generator(0)
    )
    change = (z - x) * torch.tensor([-1.0, 1.0])  # along the way up: half forward or back, then half forward
    torch.testing.assert_close(change.unique().round(decimals=9), torch.tensor([0.0, 0.2], dtype=torch.float64))
    assert 0.3 < float((change > 0.1).double().mean()) < 0.7


@EACH
def test_without_memory_momentum_is_pgd_from_x(budget, view, images, labels):
    steps = {"steps": 5, "relative_step": 0.4}
    z = perturb(view, MIFGSM(decay=0.0, **steps), budget, images, labels, generator=generator(0))
    bim = perturb(view, PGD(start=0.0, **steps), budget, images, labels, generator=generator(0))
    torch.testing.assert_close(z, bim, rtol=0, atol=0 if isinstance(budget, Linf) else 1e-6)


def test_momentum_by_hand():
    """Gradients of z0^2 - z0 + 2 z1: the first entry turns its sign at 0.5, momentum carries it on."""

    class Bowl(nn.Module):
        def forward(self, z):
            value = 2 * (z[:, 0] - 0.5) ** 2 * torch.where(z[:, 0] < 0.5, -1, 1) + z[:, 1] / 4
            return torch.stack([-value, 0 * value], 1)

    x, y = torch.tensor([[0.55, 0.5]], dtype=torch.float64), torch.tensor([0])
    at = [x.clone()]
    momentum = torch.zeros_like(x)
    for _ in range(3):
        z = at[-1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(margin(Classifier(Bowl())(z), y).sum(), z)
        momentum = 0.9 * momentum + gradient / gradient.abs().mean()
        at.append((at[-1] + 0.1 * momentum.sign()).clamp(0.25, 0.85))
    search = MIFGSM(steps=3, relative_step=1 / 3, decay=0.9, objective=margin)
    z = perturb(Classifier(Bowl()), search, Linf(eps=0.3), x, y, generator=generator(0))
    torch.testing.assert_close(z, at[-1])


def test_no_step_goes_back_by_default():
    assert MIFGSM(steps=4).step == 0.25
    assert MIFGSM(steps=4, relative_step=0.5).step == 0.5


def test_gradients_of_size_one():
    gradient = torch.tensor([[3.0, -1.0], [0.0, 0.0], [1e-30, 0.0]])
    assert unit_mean(gradient).tolist() == [[1.5, -0.5], [0.0, 0.0], [2.0, 0.0]]


def test_noise_is_the_worst_of_its_draws():
    view, x, y = linear([1.0, -1.0, 0.5]), torch.full((50, 3), 0.5, dtype=torch.float64), torch.zeros(50).long()
    budget = Linf(eps=0.2)
    draws = generator(7)
    noise = torch.stack([budget.edge(x, draws) for _ in range(3)])
    losses = torch.stack([cross_entropy(view(z), y) for z in noise])
    z = perturb(view, RandomNoise(draws=3), budget, x, y, generator=generator(7))
    assert torch.equal(cross_entropy(view(z), y), losses.amax(0))
    assert ((noise == z).all(2).any(0)).all()
    torch.testing.assert_close(budget.distance(z, x), torch.full((50,), 0.2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RFGSM(share=1.5), r"RFGSM.share: got 1.5; expected a share of eps, 0..1"),
        (lambda: RFGSM(share=True), r"RFGSM.share: got True"),
        (lambda: MIFGSM(steps=0), r"MIFGSM.steps: got 0"),
        (lambda: MIFGSM(relative_step=0.0), r"MIFGSM.relative_step: got 0.0; expected a number above 0, or None"),
        (lambda: MIFGSM(decay=-0.1), r"MIFGSM.decay: got -0.1; expected a number of at least 0"),
        (lambda: MIFGSM(decay="1"), r"MIFGSM.decay: got '1'"),
        (lambda: RandomNoise(draws=0), r"RandomNoise.draws: got 0"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

"""Attacks of other libraries run on a Classifier, and under gradient_rule on a module of one's own: they see the rule."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from spikewright.attack import ASSG, HART, PGD, RGA, Classifier, Linf, WithoutTime, perturb
from spikewright.coding import RandomEncoder
from spikewright.core import gradient_rule
from spikewright.core.seed import generator
from tests.attack.conftest import small_network

EPS = 0.1
RULES = [HART(gamma=1.0), RGA(), WithoutTime(rule=HART(gamma=1.0)), ASSG()]


class Watched(nn.Module):
    """A classifier that notes at which points a gradient was taken, and which gradient came back."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        if not x.requires_grad:
            return self.inner(x)
        at = x.view_as(x)
        at.register_hook(lambda gradient: self.seen.append((x.detach().clone(), gradient.clone())))
        return self.inner(at)


class Own(nn.Module):
    """What a user writes who knows nothing of Classifier: a loop in time, and the mean over it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.expand(3, *x.shape)).mean(0)


@pytest.fixture
def view(images):
    return Classifier(small_network(), 3)


@pytest.fixture
def y(view, images):
    return view(images).argmax(1)


def gradient_of(model, x, y):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)
    return gradient


def check_gradients(watched, view, y, own):
    """The gradients that came back are those of the view at these points, and not those of the network itself."""
    assert len(watched.seen) >= 3
    for x, gradient in watched.seen:
        torch.testing.assert_close(gradient, gradient_of(view, x, y), rtol=1e-4, atol=1e-6)
    assert not any(torch.allclose(gradient, gradient_of(own, x, y), rtol=1e-2) for x, gradient in watched.seen)


def foolbox_attack(model, x, y, steps=4):
    foolbox = pytest.importorskip("foolbox")
    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.3, steps=steps, random_start=False)
    wrapped = foolbox.PyTorchModel(model.eval(), bounds=(0, 1), device="cpu")
    return attack.run(wrapped, x, foolbox.criteria.Misclassification(y), epsilon=EPS)


def apgd(model, x, y, loss):
    base = pytest.importorskip("pyautoattack.autopgd_base")
    attack = base.APGDAttack(model.eval(), n_iter=5, norm="Linf", eps=EPS, loss=loss, device="cpu")
    attack.init_hyperparam(x)
    return attack.attack_single_run(x, y, x_init=x.clone())


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_foolbox_sees_the_rule(rule, view, images, y):
    seen = view.seen_by(rule)
    watched = Watched(seen)
    foolbox_attack(watched, images, y)
    check_gradients(watched, seen, y, view)


@pytest.mark.parametrize("rule", [HART(gamma=1.0), RGA()], ids=str)
def test_foolbox_sees_the_rule_in_a_module_of_ones_own(rule, view, images, y):
    own = Own(view.model)
    plain = foolbox_attack(own, images, y)
    with gradient_rule(own, rule):
        watched = Watched(own)
        theirs = foolbox_attack(watched, images, y)
    check_gradients(watched, view.seen_by(rule), y, view)
    search = PGD(steps=4, relative_step=0.3, start=0.0)
    ours = perturb(view.seen_by(rule), search, Linf(eps=EPS), images, y, generator=generator(0))
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)
    assert not torch.allclose(theirs, plain, atol=0.5 * EPS)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_apgd_sees_the_rule(rule, view, images, y):
    seen = view.seen_by(rule)
    watched = Watched(seen)
    apgd(watched, images, y, "ce")
    check_gradients(watched, seen, y, view)


def test_apgd_sees_the_rule_in_a_module_of_ones_own(view, images, y):
    own, rule = Own(view.model), HART(gamma=1.0)
    with gradient_rule(own, rule):
        watched = Watched(own)
        apgd(watched, images, y, "ce")
    check_gradients(watched, view.seen_by(rule), y, view)


@pytest.mark.parametrize("rule", [None, HART(gamma=1.0)], ids=str)
def test_autoattack_runs_as_it_is(rule, view):
    autoattack = pytest.importorskip("pyautoattack")
    x = torch.rand(8, 1, 6, 6, generator=generator(2))
    seen = view.seen_by(rule).eval()
    y = seen(x).argmax(1)
    attack = autoattack.AutoAttack(
        seen, attacks=["apgd-ce", "apgd-dlr", "square"], eps=EPS, version="custom", seed=0, device="cpu"
    )
    attack.apgd.n_iter, attack.apgd.n_restarts, attack.square.n_queries = 5, 1, 10
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    state = torch.random.get_rng_state()
    found, answers = attack.run_standard_evaluation(x, y, batch_size=8)
    torch.random.set_rng_state(state)
    assert Linf(eps=EPS).contains(found, x).all()
    assert torch.equal(view(found).argmax(1), answers)
    assert int((answers != y).sum()) > 0


def test_square_asks_for_no_gradient(view, images, y):
    square = pytest.importorskip("pyautoattack.square")
    watched = Watched(view).eval()
    state = torch.random.get_rng_state()
    attack = square.SquareAttack(watched, p_init=0.8, n_queries=20, eps=EPS, norm="Linf", seed=0, device="cpu")
    found = attack.perturb(images, y)
    torch.random.set_rng_state(state)
    assert not watched.seen
    assert Linf(eps=EPS).contains(found, images).all()


def test_other_libraries_see_the_mean_over_draws(images, labels):
    view = Classifier(small_network(), 3, encode=RandomEncoder(seed=1), draws=4)
    watched = Watched(view)
    with view.seeded(0):
        foolbox_attack(watched, images, labels, steps=1)
    ((x, gradient),) = watched.seen
    with view.seeded(0):
        torch.testing.assert_close(gradient, gradient_of(view, x, labels), rtol=1e-4, atol=1e-6)

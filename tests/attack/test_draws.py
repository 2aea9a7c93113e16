"""Networks that draw: gradients and answers are means over draws, the seed decides, and what draws in secret is named."""

import pytest
import torch
from torch import nn

from spikewright.attack import (
    ASSG,
    FGSM,
    HART,
    PGD,
    Classifier,
    Linf,
    check_deterministic,
    cross_entropy,
    perturb,
    run_attack,
)
from spikewright.attack.oracle import Oracle
from spikewright.coding import RandomEncoder, repeat
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator
from spikewright.neurons import IF
from tests.attack.conftest import small_network

BUDGET = Linf(eps=0.1)


class Noisy(nn.Module):
    """Adds noise from torch's own generator, also in eval()."""

    def forward(self, x):
        return x + 0.2 * torch.randn_like(x)


@pytest.fixture
def poisson_view(network):
    return Classifier(network, 4, encode=RandomEncoder(seed=1), draws=3)


def noisy(draws=1):
    torch.manual_seed(0)
    return Classifier(nn.Sequential(nn.Flatten(), Noisy(), nn.Linear(36, 4)), draws=draws)


@pytest.mark.parametrize("rule", [None, HART(gamma=1.0), ASSG()], ids=str)
def test_many_draws_of_a_network_that_does_not_draw_are_one(rule, network, images, labels):
    one, many = (Classifier(network, 3, rule=rule, draws=draws) for draws in (1, 4))
    assert torch.equal(one(images), many(images))
    results = [Oracle(view, BUDGET, images, labels).gradient(images, cross_entropy) for view in (one, many)]
    torch.testing.assert_close(results[0], results[1])


def test_logits_are_the_mean_over_draws(network, images):
    one, three = (Classifier(network, 4, encode=RandomEncoder(seed=1), draws=draws) for draws in (1, 3))
    torch.testing.assert_close(three(images), sum(one(images) for _ in range(3)) / 3)
    assert one.is_random
    assert three.is_random
    assert three.seen_by(HART()).draws == 3
    assert "draws=3" in repr(three)


def test_gradients_are_the_mean_over_draws(network, images, labels):
    view = Classifier(network, 4, encode=RandomEncoder(seed=1), draws=3, rule=HART(gamma=1.0))
    one = Classifier(network, 4, encode=RandomEncoder(seed=1), rule=HART(gamma=1.0))
    oracle = Oracle(view, BUDGET, images, labels)
    value, gradient = oracle.gradient(images, cross_entropy)
    found = []
    for _ in range(3):
        x = images.clone().requires_grad_()
        loss = cross_entropy(one(x), labels)
        found.append((loss.detach(), torch.autograd.grad(loss.sum(), x)[0]))
    torch.testing.assert_close(value, sum(loss for loss, _ in found) / 3)
    torch.testing.assert_close(gradient, sum(own for _, own in found) / 3)
    assert (oracle.forwards, oracle.backwards) == (3, 3)


@pytest.mark.parametrize("make", ["poisson", "noise"])
def test_the_seed_decides_what_is_drawn(make, network, images):
    view = Classifier(network, 4, encode=RandomEncoder(), draws=2) if make == "poisson" else noisy(draws=2)
    before, y = torch.random.get_rng_state(), view(images).argmax(1)
    batches = [(images, y), (images.flip(0), y.flip(0))]
    results = []
    for seed, disturb in ((0, 1), (0, 2), (1, 1)):
        view(images)  # what was drawn before does not matter
        torch.manual_seed(disturb)
        state = torch.random.get_rng_state()
        results.append(run_attack(view, PGD(steps=3), BUDGET, batches, seed=seed, keep=True))
        assert torch.equal(torch.random.get_rng_state(), state)
    torch.random.set_rng_state(before)
    assert torch.equal(results[0].adversarial, results[1].adversarial)
    assert torch.equal(results[0].by_draw, results[1].by_draw)
    assert not torch.equal(results[0].by_draw, results[2].by_draw)


def test_the_generator_decides_in_training_too(poisson_view, images, labels):
    first, same, other = (
        perturb(poisson_view, FGSM(), BUDGET, images, labels, generator=generator(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    source = generator(0)
    again = [perturb(poisson_view, FGSM(), BUDGET, images, labels, generator=source) for _ in range(2)]
    assert not torch.equal(*again)  # a second batch sees other draws


def test_the_judge_takes_at_least_ten_fresh_draws_and_tells_their_spread(poisson_view, images, labels):
    y = poisson_view.model(repeat(images, 4)).mean(0).argmax(1)
    result = run_attack(poisson_view, PGD(steps=4), Linf(eps=0.3), [(images, y)])
    assert result.by_draw.shape == (10, 5)
    assert result.spread == pytest.approx(float(result.by_draw.double().mean(1).std()))
    assert not (result.by_draw & ~result.clean).any()
    many = Classifier(poisson_view.model, 4, encode=RandomEncoder(), draws=12)
    assert run_attack(many, FGSM(), BUDGET, [(images, y)]).by_draw.shape == (12, 5)
    still = run_attack(Classifier(poisson_view.model, 4), FGSM(), BUDGET, [(images, y)])
    assert (still.by_draw, still.spread) == (None, 0.0)


def test_one_lucky_draw_is_no_success():
    class Flickers(nn.Module):
        """Class 0, but one pass in five says 1, whatever the input."""

        def forward(self, x):
            wrong = (torch.rand(len(x)) < 0.2).float() + 0 * x[:, 0]
            return torch.stack([1 - wrong, wrong], 1)

    x, y = torch.rand(20, 3), torch.zeros(20, dtype=torch.int64)
    result = run_attack(Classifier(Flickers(), draws=50), PGD(steps=2), BUDGET, [(x, y)])
    assert result.robust.all()
    assert 0.6 < float(result.by_draw.double().mean()) < 0.95


def test_gradients_through_the_wrong_encoder_are_no_answers(network, images, labels):
    victim = Classifier(network, 4, encode=RandomEncoder(seed=1), draws=2)
    direct = Classifier(network, 4)
    oracle = Oracle(victim, BUDGET, images, labels, through=direct)
    assert not oracle.same_forward
    assert Oracle(victim, BUDGET, images, labels, through=victim.seen_by(HART())).same_forward
    assert not Oracle(Classifier(network, 4, draws=2), BUDGET, images, labels, through=direct).same_forward


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (lambda: noisy(), r"from 1 \(Noisy\) on"),
        (lambda: Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(36, 4), IF(), Noisy())), 3), r"from 3 \(Noisy\) on"),
        (lambda: Classifier(small_network(), 3, encode=RandomEncoder()), r"from its encoder on"),
        (lambda: Classifier(Noisy()), r"from itself \(Noisy\) on"),
    ],
)  # fmt: skip
def test_what_draws_is_named(view, name, images):
    x = images[:, 0, 0] if "itself" in name else images
    with pytest.raises(
        ArgumentError, match=rf"Classifier: got two passes that differ by .*, {name}; expected a network"
    ):
        check_deterministic(view(), x)


def test_an_attack_on_a_network_that_draws_in_secret_is_refused(images, labels):
    with pytest.raises(ArgumentError, match=r"from 1 \(Noisy\) on; .* Say that it draws.*draws=10"):
        run_attack(noisy(), FGSM(), BUDGET, [(images, labels)])
    assert run_attack(noisy(draws=10), FGSM(), BUDGET, [(images, labels)]).by_draw is not None


def test_what_does_not_draw_passes(network, images):
    check_deterministic(Classifier(network, 3, rule=HART()), images)


def test_the_number_of_draws_is_whole(network):
    with pytest.raises(ArgumentError, match=r"Classifier.draws: got 0; expected a whole number of at least 1"):
        Classifier(network, 3, draws=0)

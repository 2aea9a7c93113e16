"""The harness: it projects, keeps what succeeded on the way, judges with the true forward pass, and names bad input."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from spikewright.attack import (
    FGSM,
    HART,
    L2,
    PGD,
    AnalogTwin,
    Classifier,
    Linf,
    Search,
    SurrogateBPTT,
    cross_entropy,
    perturb,
    run_attack,
)  # fmt: skip
from spikewright.coding import as_given
from spikewright.core import Triangle
from spikewright.core.errors import ArgumentError, DataError, ShapeError
from spikewright.core.seed import generator
from tests.attack.conftest import small_network


@dataclass(frozen=True, kw_only=True)
class Proposes(Search):
    """A search that asks about nothing and proposes x + change."""

    change: float = 9.0

    def search(self, oracle, generator):
        return oracle.x + self.change


@dataclass(frozen=True, kw_only=True)
class Wanders(Search):
    """A search that asks about some inputs and then proposes the clean one."""

    asks: tuple[float, ...] = ()

    def search(self, oracle, generator):
        for change in self.asks:
            oracle.logits(oracle.x + change)
        return oracle.x


@pytest.fixture
def line():
    """One value, two classes: class 1 from 0.5 on."""
    layer = nn.Linear(1, 2)
    layer.weight.data = torch.tensor([[0.0], [1.0]])
    layer.bias.data = torch.tensor([0.0, -0.5])
    return Classifier(layer)


X, Y = torch.tensor([[0.2], [0.4], [0.6], [0.9]]), torch.tensor([0, 0, 1, 0])


def test_a_search_cannot_leave_the_budget(line):
    z = perturb(line, Proposes(), Linf(eps=0.15), X, Y, generator=generator(0))
    torch.testing.assert_close(z, torch.tensor([[0.35], [0.55], [0.75], [1.0]]))


def test_the_flags_are_those_of_the_true_answers(line):
    result = run_attack(line, Proposes(change=0.15), Linf(eps=0.2), [(X, Y)], keep=True)
    assert result.clean.tolist() == [True, True, True, False]
    assert result.robust.tolist() == [True, False, True, False]
    assert (result.clean_accuracy, result.robust_accuracy) == (0.75, 0.5)
    assert result.success_rate == pytest.approx(1 / 3)
    torch.testing.assert_close(result.distances, torch.tensor([0.15, 0.15, 0.15, 0.0]))
    torch.testing.assert_close(result.adversarial, torch.tensor([[0.35], [0.55], [0.75], [0.9]]))


def test_what_succeeded_on_the_way_counts_if_it_was_allowed(line):
    inside = run_attack(line, Wanders(asks=(0.05, 0.15, 0.18)), Linf(eps=0.2), [(X, Y)], keep=True)
    assert inside.robust.tolist() == [True, False, True, False]
    assert float(inside.adversarial[1]) == pytest.approx(0.55)
    outside = run_attack(line, Wanders(asks=(0.3,)), Linf(eps=0.2), [(X, Y)])
    assert outside.robust.tolist() == [True, True, True, False]


def test_a_target_must_be_reached(line):
    result = run_attack(line, Proposes(change=0.15), Linf(eps=0.2), [(X, Y)], target_shift=1)
    assert result.robust.tolist() == [True, False, True, False]
    with pytest.raises(ArgumentError, match=r"target_shift: got 2 for 2 classes"):
        run_attack(line, FGSM(), Linf(eps=0.2), [(X, Y)], target_shift=2)


def test_a_target_is_approached(network, images):
    view = Classifier(network, 3)
    y = view(images).argmax(1)
    targets = (y + 1) % 4
    z = perturb(view, PGD(steps=5), Linf(eps=0.3), images, y, generator=generator(0), targets=targets)
    with torch.no_grad():
        assert (cross_entropy(view(z), targets) < cross_entropy(view(images), targets)).double().mean() > 0.7


def test_one_step_from_x_is_fgsm(network, images, labels):
    view = Classifier(network, 3)
    one = perturb(
        view, PGD(steps=1, relative_step=1.0, start=0.0), Linf(eps=0.1), images, labels, generator=generator(0)
    )
    assert torch.equal(one, perturb(view, FGSM(), Linf(eps=0.1), images, labels, generator=generator(1)))


def test_fgsm_is_optimal_for_a_linear_network(images, labels):
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    view, y, budget = Classifier(linear), labels % 2, Linf(eps=0.05, low=-9, high=9)
    z = perturb(view, FGSM(), budget, images, y, generator=generator(0))
    w = linear[1].weight.detach()
    with torch.no_grad():
        gap = lambda x: (lambda z: z[:, 0] - z[:, 1])(view(x)) * (1 - 2 * y)  # noqa: E731
        torch.testing.assert_close(gap(images) - gap(z), torch.full((5,), 0.05 * float((w[0] - w[1]).abs().sum())))
        best = perturb(view, PGD(steps=20), budget, images, y, generator=generator(0))
        assert (gap(best) >= gap(z) - 1e-5).all()


def test_more_steps_never_break_fewer(network, images):
    view = Classifier(network, 3)
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    y = view(x).argmax(1)
    broken = [
        ~run_attack(view, PGD(steps=steps, relative_step=0.2), Linf(eps=0.08), [(x, y)]).robust for steps in (2, 5, 12)
    ]
    assert not (broken[0] & ~broken[1]).any()
    assert not (broken[1] & ~broken[2]).any()
    assert broken[2].sum() > broken[0].sum()


def test_restarts_never_break_fewer(network, images):
    view = Classifier(network, 3)
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    batches = [(x, view(x).argmax(1))]
    one = run_attack(view, PGD(steps=2), Linf(eps=0.06), batches)
    five = run_attack(view, PGD(steps=2), Linf(eps=0.06), batches, restarts=5)
    assert not (~one.robust & five.robust).any()
    assert five.robust.sum() < one.robust.sum()


def test_the_whole_range_breaks_everything(network, images):
    view = Classifier(network, 3)
    result = run_attack(view, PGD(steps=40), Linf(eps=1.0), [(images, view(images).argmax(1))], restarts=3)
    assert result.robust_accuracy == 0


def test_transfer_takes_the_gradient_of_another_network(images):
    attacked, other = (Classifier(small_network(seed=seed), 3) for seed in (0, 1))
    y = attacked(images).argmax(1)
    z = perturb(attacked, FGSM(), Linf(eps=0.1), images, y, generator=generator(0), through=other)
    assert torch.equal(z, perturb(other, FGSM(), Linf(eps=0.1), images, y, generator=generator(0)))
    assert not torch.equal(z, perturb(attacked, FGSM(), Linf(eps=0.1), images, y, generator=generator(0)))


def test_the_twin_is_judged_by_the_network(network, images):
    view = Classifier(network, 3, rule=AnalogTwin())
    x = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    y = view.seen_by(None)(x).argmax(1)
    result = run_attack(view, PGD(steps=5), Linf(eps=0.2), [(x, y)], keep=True)
    assert result.clean_accuracy == 1
    assert torch.equal(view.seen_by(None)(result.adversarial).argmax(1) == y, result.robust)


def test_sequences_are_attacked_step_by_step():
    model = small_network()
    frames = torch.rand(3, 5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    view = Classifier(model, 3, encode=as_given, rule=SurrogateBPTT(surrogate=Triangle()))
    y = view(frames.movedim(1, 0)).argmax(1)
    z = perturb(view, FGSM(), Linf(eps=0.1), frames, y, generator=generator(0))
    assert z.shape == frames.shape
    assert not torch.equal((z - frames)[0], (z - frames)[1])
    result = run_attack(view, PGD(steps=4), L2(eps=2.0), [(frames, y)], keep=True)
    assert result.adversarial.shape == (5, 3, 1, 6, 6)
    assert result.robust_accuracy < 1


def test_a_narrow_surrogate_hides_a_network_that_other_rules_break(images):
    view = Classifier(small_network(), 3)
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    batches = [(x, view(x).argmax(1))]
    narrow = view.seen_by(SurrogateBPTT(surrogate=Triangle(gamma=1e-4)))
    hidden = run_attack(narrow, PGD(steps=10, start=0.0), Linf(eps=0.1), batches)
    honest = run_attack(view.seen_by(HART(gamma=1.0)), PGD(steps=10, start=0.0), Linf(eps=0.1), batches)
    assert hidden.robust_accuracy - honest.robust_accuracy > 0.3


@pytest.mark.parametrize(
    ("x", "y", "error", "match"),
    [
        (torch.full((1, 1), torch.nan), torch.tensor([0]), DataError, r"attack: got NaN or infinite values in a batch"),
        (torch.zeros(1, 1, dtype=torch.int64), torch.tensor([0]), ShapeError, r"attack: got torch.int64 of shape \[1, 1\]"),
        (torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64), ShapeError, r"attack: got torch.float32 of shape \[0, 1\]"),
        (torch.zeros(2, 1), torch.tensor([0]), ShapeError, r"attack.labels: got torch.int64 of shape \[1\]"),
        (torch.zeros(1, 1), torch.tensor([0.0]), ShapeError, r"attack.labels: got torch.float32"),
        (torch.zeros(1, 1), torch.tensor([2]), DataError, r"attack: got a label 2; expected classes of 0..1"),
        (torch.zeros(1, 1), torch.tensor([-1]), DataError, r"attack.labels: got -1; expected classes of at least 0"),
        (torch.zeros(1, 3), torch.tensor([0]), ShapeError, r"Classifier: the network cannot take a batch of shape \[1, 3\]"),
    ],
)  # fmt: skip
def test_bad_data(line, x, y, error, match):
    with pytest.raises(error, match=match):
        run_attack(line, FGSM(), Linf(eps=0.1), [(x, y)])


def test_no_data(line):
    with pytest.raises(DataError, match=r"run_attack: got no batch; expected at least one"):
        run_attack(line, FGSM(), Linf(eps=0.1), [])


def test_a_target_is_another_class(line):
    with pytest.raises(ArgumentError, match=r"attack.targets: got the sample's own class"):
        perturb(line, FGSM(), Linf(), X, Y, generator=generator(0), targets=Y)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((nn.Linear(1, 2), FGSM(), Linf()), r"attack.classifier: got Linear; expected a Classifier. Make one"),
        (
            (None, Linf(), FGSM()),
            r"attack.search: got Linf; expected a Search. The order is classifier, search, budget",
        ),
        ((None, FGSM(), 0.1), r"attack.budget: got float; expected a Budget"),
    ],
)
def test_wrong_parts(line, arguments, match):
    first, *others = arguments
    with pytest.raises(ArgumentError, match=match):
        run_attack(first or line, *others, [(X, Y)])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: PGD(steps=0), r"PGD.steps: got 0"),
        (lambda: PGD(relative_step=0.0), r"PGD.relative_step: got 0.0; expected a number above 0, or None"),
        (lambda: PGD(start=1.5), r"PGD.start: got 1.5; expected a share of eps, 0..1"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

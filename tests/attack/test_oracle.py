"""Oracle: it keeps the nearest success, spares samples that are done, and counts what it was asked."""

import pytest
import torch
from torch import nn

from spikewright.attack import FGSM, HART, PGD, AnalogTwin, Classifier, Linf, cross_entropy, perturb, run_attack
from spikewright.attack import margin as margin_of
from spikewright.attack.oracle import Oracle
from spikewright.core.errors import DataError
from spikewright.core.seed import generator

X, Y = torch.tensor([[0.2], [0.4], [0.6], [0.9]]), torch.tensor([0, 0, 1, 1])


class Counted(nn.Module):
    """A network that notes the size of every batch."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.sizes = inner, []

    def forward(self, x):
        self.sizes.append(len(x))
        return self.inner(x)


class Double(nn.Module):
    """Values in double precision."""

    def forward(self, x):
        return x.double()


@pytest.fixture
def line():
    """One value, two classes: class 1 from 0.5 on."""
    layer = nn.Linear(1, 2)
    layer.weight.data, layer.bias.data = torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, -0.5])
    return Classifier(Counted(layer))


def test_it_keeps_the_nearest_success_whatever_the_order(line):
    oracle = Oracle(line, Linf(eps=0.3), X, Y)
    for change in (0.25, 0.15, 0.2):
        oracle.logits(X + change)
    assert oracle.fooled.tolist() == [False, True, False, False]
    assert float(oracle.found[1]) == pytest.approx(0.55)
    assert torch.equal(oracle.found[[0, 2, 3]], X[[0, 2, 3]])


def test_what_is_done_is_spared_and_keeps_its_answers(line):
    oracle = Oracle(line, Linf(eps=0.3), X, Y, spare=True)
    first = oracle.logits(X + 0.15)
    second = oracle.logits(X + 0.25)
    assert line.model.sizes == [4, 3]
    assert torch.equal(second[1], first[1])
    torch.testing.assert_close(second[:, 1], torch.tensor([-0.05, 0.05, 0.35, 0.65]))
    assert float(oracle.found[1]) == pytest.approx(0.55)
    value, gradient = oracle.gradient(X, margin_of)
    assert line.model.sizes == [4, 3, 3]
    torch.testing.assert_close(value, torch.tensor([-0.3, 0.0, -0.1, -0.4]))
    assert gradient.flatten().tolist() == [1.0, 0.0, -1.0, -1.0]
    assert not oracle.finished
    assert (oracle.forwards, oracle.backwards) == (3, 1)


def test_logits_may_be_of_another_precision(line):
    inner = line.model.inner.double()
    line.model.inner = nn.Sequential(Double(), inner)
    oracle = Oracle(line, Linf(eps=0.3), X, Y, spare=True)
    oracle.logits(X + 0.15)
    value, gradient = oracle.gradient(X, margin_of)
    assert line.model.sizes == [4, 3]
    torch.testing.assert_close(value, torch.tensor([-0.3, 0.0, -0.1, -0.4]))
    assert gradient.flatten().tolist() == [1.0, 0.0, -1.0, -1.0]


def test_when_all_are_done_nothing_is_run(line):
    oracle = Oracle(line, Linf(eps=0.3), X[1:3], Y[1:3], spare=True)
    oracle.logits(torch.tensor([[0.6], [0.45]]))
    assert oracle.finished
    answers = oracle.logits(X[1:3])
    assert oracle.fooled.all()
    assert oracle.reached(answers).all()
    assert not oracle.gradient(X[1:3], cross_entropy)[1].any()
    assert (line.model.sizes, oracle.forwards, oracle.backwards) == ([2], 1, 0)


def test_it_can_be_asked_about_some_samples(line):
    oracle = Oracle(line, Linf(eps=0.3), X, Y)
    first = oracle.logits(X + 0.15)
    with oracle.only(torch.tensor([True, False, False, True])):
        answers = oracle.logits(X + 0.1)
        assert torch.equal(answers[1:3], first[1:3])
        torch.testing.assert_close(answers[::3, 1], torch.tensor([-0.2, 0.5]))
        assert oracle.gradient(X, margin_of)[1].flatten().tolist() == [1.0, 0.0, 0.0, -1.0]
    assert line.model.sizes == [4, 2, 2]
    assert float(oracle.found[1]) == pytest.approx(0.55)  # an old answer says nothing of another input
    oracle.logits(X)
    assert line.model.sizes[-1] == 4


def test_some_samples_that_are_done_are_spared_too(line):
    oracle = Oracle(line, Linf(eps=0.3), X, Y, spare=True)
    with oracle.only(torch.tensor([True, True, False, False])):
        oracle.logits(X + 0.15)
        oracle.logits(X + 0.15)
    oracle.logits(X)
    assert line.model.sizes == [2, 1, 3]


def test_training_gets_the_whole_search(line):
    perturb(line, PGD(steps=6, start=0.0), Linf(eps=0.5), X, Y, generator=generator(0))
    assert line.model.sizes == [4] * 6


@pytest.mark.parametrize("rule", [HART(gamma=1.0), AnalogTwin()], ids=["HART", "AnalogTwin"])
def test_sparing_changes_no_result(rule, network):
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    view = Classifier(network, 3, rule=rule)
    y = view.seen_by(None)(x).argmax(1)
    budget, search = Linf(eps=0.04), PGD(steps=8)
    result = run_attack(view, search, budget, [(x, y)], keep=True)
    with torch.no_grad():
        oracle = Oracle(view, budget, x, y)
        last = search.search(oracle, generator(0, 0, 0))
        broken = oracle.fooled | (view.seen_by(None)(last).argmax(1) != y)
    assert 3 < int(broken.sum()) < 37
    assert torch.equal(result.robust, ~broken)


class Remembering(HART):
    """A rule of which it is said that samples depend on each other."""

    remembers = True


def sizes_of(network):
    """The sizes of all batches that a spiking network gets from now on."""
    sizes = []
    network.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[1]))
    return sizes


@pytest.mark.parametrize(("rule", "spares"), [(HART(gamma=1.0), True), (Remembering(gamma=1.0), False)], ids=str)
def test_a_rule_that_remembers_gets_the_whole_batch(rule, spares, network, images):
    view = Classifier(network, 3, rule=rule)
    batch = images, view(images).argmax(1)
    sizes = sizes_of(network)
    assert run_attack(view, PGD(steps=30), Linf(eps=1.0), [batch]).robust_accuracy == 0
    assert (set(sizes) != {5}) == spares
    assert len(sizes) < 30 if spares else len(sizes) == 34


def test_an_attack_that_fails_costs_four_passes_more_than_its_gradients(network, images):
    view = Classifier(network, 3, rule=HART(gamma=1.0))
    batch = images, view(images).argmax(1)
    sizes = sizes_of(network)
    result = run_attack(view, PGD(steps=10), Linf(eps=0.0), [batch])  # before, twice, at the end, and the judge's
    assert (result.forwards, result.backwards, len(sizes)) == (10, 10, 14)


def test_a_wrong_label_is_named_by_every_question(line):
    for ask in (lambda o: o.logits(X), lambda o: o.loss(X, cross_entropy), lambda o: o.gradient(X, cross_entropy)):
        with pytest.raises(DataError, match=r"attack: got a label 2; expected classes of 0..1"):
            ask(Oracle(line, Linf(eps=0.1), X, Y + 1))
    with pytest.raises(DataError, match=r"attack: got a label 2"):
        perturb(line, FGSM(), Linf(eps=0.1), X, Y + 1, generator=generator(0))

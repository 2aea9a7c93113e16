"""APGD: the check schedule, the halving rule by hand, and the points that the authors' code finds from the same start."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from spikewright.attack import APGD, HART, L2, PGD, Classifier, Linf, cross_entropy, dlr, run_attack
from spikewright.attack.oracle import Oracle
from spikewright.attack.searches.apgd import HalvedSteps, check_steps, momentum_step, random_at
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator
from tests.attack.conftest import small_network

GOLDEN = json.loads(Path(__file__).with_name("apgd_reference.json").read_text(encoding="utf-8"))
LOSSES = {"ce": cross_entropy, "dlr": dlr}
BUDGETS = {"Linf": Linf, "L2": L2}


def smooth_network() -> Classifier:
    """12 values -> 4 classes, weights from a formula."""
    first, last = nn.Linear(12, 9), nn.Linear(9, 4)
    with torch.no_grad():
        for layer in (first, last):
            layer.weight.copy_(
                torch.sin(1.7 * torch.arange(layer.weight.numel()).double() ** 1.3).view_as(layer.weight)
            )
            layer.bias.copy_(torch.cos(torch.arange(layer.bias.numel()).double()) / 4)
    return Classifier(nn.Sequential(nn.Flatten(), first, nn.Tanh(), last)).double()


def clean_batch(view: Classifier) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Samples, their classes, and a start near each of them."""
    x = (torch.sin(3.1 * torch.arange(72).double()) / 2 + 0.5).view(6, 1, 3, 4)
    noise = torch.cos(5.3 * torch.arange(72).double()).view(6, 1, 3, 4)
    return x, view(x).argmax(1), (x + 0.05 * noise).clamp(0, 1)


def test_the_checks():
    assert check_steps(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert check_steps(10) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert check_steps(1) == [1]
    assert check_steps(20) == [4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]


def test_the_first_step_has_no_momentum_and_twice_the_length():
    x = torch.full((1, 2), 0.5)
    gradient = torch.tensor([[1.0, -2.0]])
    step = {"length": torch.tensor([0.2]), "budget": Linf(eps=0.1)}
    first = momentum_step(x, x, x, gradient, weight=1.0, **step)
    torch.testing.assert_close(first, torch.tensor([[0.6, 0.4]]))
    step["length"] = torch.tensor([0.05])
    second = momentum_step(first, x, x, -gradient, weight=0.75, **step)
    torch.testing.assert_close(second, torch.tensor([[0.5875, 0.4125]]))  # 0.6 - 0.75 * 0.05 + 0.25 * 0.1


def test_lengths_halve_where_too_few_steps_rose():
    lengths = HalvedSteps(0.2, torch.tensor([1.0, 1.0, 1.0]))
    for values in ([2.0, 2.0, 2.0], [3.0, 1.0, 3.0], [4.0, 0.5, 2.0], [5.0, 0.2, 4.0]):  # 4, 1 and 3 rises of 4
        lengths.after_step(torch.tensor(values))
    assert lengths.check(torch.tensor([5.0, 2.0, 4.0])).tolist() == [False, True, True]
    torch.testing.assert_close(lengths.length, torch.tensor([0.2, 0.1, 0.1]))


def test_lengths_halve_where_nothing_improved_unless_just_halved():
    lengths = HalvedSteps(0.2, torch.tensor([1.0, 1.0, 1.0]))
    for value in (2.0, 3.0):
        lengths.after_step(torch.tensor([value, value, -value]))
    assert lengths.check(torch.tensor([9.0, 3.0, 1.0])).tolist() == [False, False, True]
    for value in (4.0, 5.0):  # all rise
        lengths.after_step(torch.tensor([value, value, value]))
    assert lengths.check(torch.tensor([9.0, 5.0, 1.0])).tolist() == [True, False, False]


def test_the_first_step_rises_if_its_value_is_above_0():
    lengths = HalvedSteps(0.2, torch.tensor([5.0, -5.0]))
    lengths.after_step(torch.tensor([1.0, -1.0]))
    assert lengths.check(torch.tensor([5.0, -1.0])).tolist() == [False, True]


@pytest.mark.parametrize("run", GOLDEN["runs"], ids=lambda run: f"{run['norm']}-{run['loss']}-{run['steps']}")
def test_golden(run):
    view = smooth_network()
    x, y, start = clean_batch(view)
    oracle = Oracle(view, BUDGETS[run["norm"]](eps=run["eps"]), x, y)
    best = APGD(steps=run["steps"], objective=LOSSES[run["loss"]]).search_from(start, oracle)
    atol = 1e-12 if run["norm"] == "Linf" else 1e-6  # they divide by a length + 1e-12, which decides between equals
    torch.testing.assert_close(best.flatten(1), torch.tensor(run["best"], dtype=torch.float64), rtol=0, atol=atol)


def test_the_golden_points_are_not_trivial():
    assert "pyautoattack 0.2.0" in GOLDEN["origin"]
    view = smooth_network()
    x, y, start = clean_batch(view)
    for run in GOLDEN["runs"]:
        best = torch.tensor(run["best"], dtype=torch.float64).view_as(x)
        assert (cross_entropy(view(best), y) > cross_entropy(view(start), y)).all()


@pytest.mark.filterwarnings("ignore:there are . points with zero gradient")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("steps", [5, 40])
@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.4)])
def test_the_authors_code_finds_the_same_points(norm, eps, steps, loss, images):
    reference = pytest.importorskip("pyautoattack.autopgd_base")
    view = Classifier(small_network(), 3, rule=HART(gamma=1.0))
    y, budget = view(images).argmax(1), BUDGETS[norm](eps=eps)
    start = budget.sample(images, generator(0))
    theirs = reference.APGDAttack(view, n_iter=steps, norm=norm, eps=eps, loss=loss, device="cpu")
    theirs.init_hyperparam(images)
    expected, *_ = theirs.attack_single_run(images.clone(), y, x_init=start)
    oracle = Oracle(view, budget, images, y)
    ours = APGD(steps=steps, objective=LOSSES[loss]).search_from(start, oracle)
    assert (oracle.forwards, oracle.backwards) == (steps + 1, steps + 1)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0 if norm == "Linf" else 1e-5)
    assert (ours - images).abs().max() > 0.9 * eps / (1 if norm == "Linf" else 6)


def test_starts_are_at_the_share():
    x = torch.full((200, 3, 4), 0.5)
    for budget in (Linf(eps=0.2), L2(eps=0.4)):
        lengths = budget.distance(random_at(x, budget, 0.5, generator(0)), x)
        torch.testing.assert_close(lengths, torch.full((200,), 0.5 * budget.eps))
    change = random_at(x, Linf(eps=0.2), 1.0, generator(0)) - x
    assert (change.abs() > 0.1999).flatten(1).sum(1).double().mean() < 1.1  # one value at the boundary, not all


def test_it_is_no_weaker_than_pgd(network):
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    view = Classifier(network, 3, rule=HART(gamma=1.0))
    batches = [(x, view(x).argmax(1))]
    pgd, apgd = (run_attack(view, search, Linf(eps=0.03), batches) for search in (PGD(steps=20), APGD(steps=20)))
    assert 0.05 < apgd.robust_accuracy <= pgd.robust_accuracy + 0.05


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: APGD(steps=0), r"APGD.steps: got 0"),
        (lambda: APGD(start=2.0), r"APGD.start: got 2.0; expected a share of eps"),
        (lambda: APGD(start="0.5"), r"APGD.start: got '0.5'"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

"""GreedyEvents: it finds the smallest change where it can be known, takes back what was not needed, and counts."""

import pytest
import torch
from torch import nn

from spikewright.attack import (
    FGSM,
    Classifier,
    EventCounts,
    GreedyEvents,
    Linf,
    SpikeFlips,
    SpikeShifts,
    SurrogateBPTT,
    perturb,
    run_attack,
)  # fmt: skip
from spikewright.coding import as_given
from spikewright.core import Spiking
from spikewright.core.errors import ArgumentError, DataError
from spikewright.core.seed import generator
from tests.attack.conftest import small_network


class Weighted(nn.Module):
    """Class 1 where the weighted sum of a sequence [N, T, 1] is above a bound; class 0 elsewhere."""

    def __init__(self, weights, bound):
        super().__init__()
        self.weights, self.bound = torch.tensor(weights), bound

    def forward(self, x):
        score = x.flatten(1) @ self.weights - self.bound
        return torch.stack([torch.zeros_like(score), score], 1)


def sequence(*values):
    return torch.tensor([values]).view(1, -1, 1)


def broken(weights, bound, x, budget, **settings):
    """The nearest success of an attack on class 0, and how many events it changes; None if there is none."""
    result = run_attack(
        Classifier(Weighted(weights, bound)), GreedyEvents(**settings), budget, [(x, torch.tensor([0]))], keep=True
    )
    assert result.clean.all()
    return (result.adversarial.flatten().tolist(), float(result.distances)) if not result.robust.all() else None


def test_the_best_flips_are_made_and_no_more():
    x = sequence(0.0, 1.0, 0.0, 1.0, 0.0)
    weights, budget = [1.0, -5.0, 3.0, 0.5, 0.1], SpikeFlips(eps=3)
    assert broken(weights, 0.3, x, budget) == ([0, 0, 0, 1, 0], 1)
    assert broken(weights, 3.0, x, budget) == ([0, 0, 1, 1, 0], 2)  # 0.5 + 3 with one less
    assert broken(weights, 4.2, x, budget) == ([1, 0, 1, 1, 0], 3)
    assert broken(weights, 4.55, x, budget) is None  # it would take four


def test_counts_may_be_raised_more_than_once():
    x = sequence(1.0, 0.0, 2.0)
    weights = [1.0, 3.0, -2.0]
    assert broken(weights, 8.5, x, EventCounts(eps=9)) == ([3, 2, 0], 6)
    assert broken(weights, 5.5, x, EventCounts(eps=9, high=1)) is None  # 1 + 3 at most
    assert broken(weights, 3.5, x, EventCounts(eps=9, high=1)) == ([1, 1, 0], 3)


def test_events_are_moved_as_far_as_they_may():
    x, weights = sequence(0.0, 1.0, 0.0, 0.0, 1.0), [2.0, 0.0, 1.0, 4.0, 0.0]
    assert broken(weights, 3.5, x, SpikeShifts(eps=2, reach=1)) == ([0, 1, 0, 1, 0], 1)
    assert broken(weights, 5.5, x, SpikeShifts(eps=2, reach=1)) == ([1, 0, 0, 1, 0], 2)
    assert broken(weights, 5.5, x, SpikeShifts(eps=1, reach=1)) is None


def test_what_was_not_needed_is_taken_back():
    # one change is not enough by itself, and the first phase makes two of the small ones before the large one helps
    class Gate(nn.Module):
        def forward(self, x):
            score = 0.2 * x[:, 0, 0] + 0.2 * x[:, 1, 0] + 0.1 * x[:, 2, 0] * (1 + 9 * x[:, 0, 0]) - 0.9
            return torch.stack([torch.zeros_like(score), score], 1)

    x = torch.zeros(1, 3, 1)
    result = run_attack(Classifier(Gate()), GreedyEvents(), SpikeFlips(eps=2), [(x, torch.tensor([0]))], keep=True)
    assert result.adversarial.flatten().tolist() == [1, 0, 1]
    assert result.distances.tolist() == [2]


def test_it_may_first_go_beyond_the_budget_but_what_counts_lies_inside():
    x, weights = torch.zeros(1, 6, 1), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert broken(weights, 3.5, x, SpikeFlips(eps=3)) is None
    assert broken(weights, 3.5, x, SpikeFlips(eps=4))[1] == 4


@pytest.mark.parametrize("budget", [SpikeFlips(eps=12), EventCounts(eps=12), SpikeShifts(eps=12, reach=2)], ids=str)
def test_it_breaks_more_than_noise_does_and_less_with_a_smaller_budget(budget):
    x = (torch.rand(10, 4, 1, 6, 6, generator=generator(0)) < 0.3).float()
    view = Classifier(small_network(), 4, encode=as_given, rule=SurrogateBPTT())
    y = view(x).argmax(1)
    batches, search = [(x.movedim(1, 0), y)], GreedyEvents(rounds=6, candidates=5)
    large = run_attack(view, search, budget, batches)
    small = run_attack(view, search, budget.scaled(0.25), batches)
    noise = view(budget.edge(x, generator(1))).argmax(1) != y
    assert large.success_rate > float(noise.double().mean()) + 0.2
    assert large.success_rate >= small.success_rate
    assert (large.distances[~large.robust] <= 12).all()


def test_samples_do_not_depend_on_each_other():
    x = (torch.rand(5, 2, 1, 6, 6, generator=generator(0)) < 0.3).float()
    view = Classifier(small_network(), 2, encode=as_given, rule=SurrogateBPTT())
    y = view(x).argmax(1)
    search, budget = GreedyEvents(rounds=3, candidates=4), SpikeFlips(eps=4)
    together = run_attack(view, search, budget, [(x.movedim(1, 0), y)], keep=True).adversarial
    for n in range(5):
        alone = run_attack(view, search, budget, [(x[n : n + 1].movedim(1, 0), y[n : n + 1])], keep=True)
        assert torch.equal(alone.adversarial[0], together[n])


def test_counts_that_are_no_counts_are_named():
    model = Spiking(nn.Sequential(nn.Flatten(), nn.Linear(1, 2)))
    view = Classifier(model, 2, encode=as_given)
    with pytest.raises(DataError, match=r"SpikeFlips: got values other than 0 and 1"):
        perturb(
            view, GreedyEvents(), SpikeFlips(), torch.full((2, 1, 1), 2.0), torch.tensor([0]), generator=generator(0)
        )


def test_counts_may_be_changed_by_a_dense_norm_too():
    counts = torch.tensor([0.0, 3.0, 7.0]).view(3, 1, 1)
    view = Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(1, 2))), 3, encode=as_given)
    budget = Linf(eps=0.5, low=0.0, high=float("inf"))
    z = perturb(view, FGSM(), budget, counts, torch.tensor([0]), generator=generator(0))
    assert z.min() >= 0
    assert (z - counts).abs().max() == 0.5


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: GreedyEvents(rounds=0), r"GreedyEvents.rounds: got 0"),
        (lambda: GreedyEvents(candidates=1.5), r"GreedyEvents.candidates: got 1.5"),
        (lambda: GreedyEvents(back=-1), r"GreedyEvents.back: got -1"),
        (lambda: GreedyEvents(patience=0), r"GreedyEvents.patience: got 0"),
        (lambda: GreedyEvents(room=0.5), r"GreedyEvents.room: got 0.5; expected a number of at least 1"),
    ],
)
def test_wrong_hyper_parameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()

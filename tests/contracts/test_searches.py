"""What every search must do, with every budget: stay inside, be reproducible, and leave the network as it was."""

import pytest
import torch
from torch import nn

from spikewright.attack import BUDGETS, HART, SEARCHES, Classifier, Search, perturb, run_attack
from spikewright.coding import as_given, repeat
from spikewright.core.errors import ArgumentError
from spikewright.core.seed import generator
from tests.attack.conftest import small_network

EPS = {"Linf": 0.1, "L2": 0.5, "L0": 5, "SpikeFlips": 6, "EventCounts": 6, "SpikeShifts": 6}
"""A size for every budget, in its own unit."""

SMALL = {
    "APGD": {"steps": 12}, "SAPGD": {"steps": 12}, "CW": {"steps": 6, "rounds": 2, "rate": 0.05}, "Square": {"queries": 24},
    "GreedyEvents": {"rounds": 3, "candidates": 4},
}  # fmt: skip
"""Fewer passes than by default, where the contract would take long."""

SEARCH = {name: kind(**SMALL.get(name, {})) for name, kind in SEARCHES.items()}


def fits(search, kind):
    """Whether a search takes a kind of budget."""
    try:
        search.check_budget(kind())
    except ArgumentError:
        return False
    return True


PAIRS = [(name, kind) for name, search in SEARCH.items() for kind, made in BUDGETS.items() if fits(search, made)]
FIRST = {name: "Linf" if (name, "Linf") in PAIRS else dict(PAIRS)[name] for name in SEARCH}
"""A budget for every search."""

ALL = pytest.mark.parametrize("search", SEARCH.values(), ids=SEARCH)
EVERY = pytest.mark.parametrize(
    ("search", "kind"), [(SEARCH[name], BUDGETS[kind]) for name, kind in PAIRS], ids=map("-".join, PAIRS)
)


def data(kind):
    """Images; for budgets of events sequences of binary frames, batch first."""
    draw = torch.rand(6, *((3,) if kind.discrete else ()), 1, 6, 6, generator=torch.Generator().manual_seed(1))
    x = (draw < 0.3).float() if kind.discrete else draw
    x[0] = 0.0  # values at the ends of the range, where half of the budget is cut off
    x[1] = 1.0
    return x, torch.tensor([0, 1, 2, 3, 0, 1])


def view_of(kind, model=None):
    return Classifier(model or small_network(), 3, encode=as_given if kind.discrete else repeat, rule=HART(gamma=1.0))


def attacked(search, kind, budget, model=None, seed=0, x=None):
    """What the search makes of the data, batch first."""
    own, y = data(kind)
    x = own if x is None else x
    given = x.movedim(1, 0) if kind.discrete else x
    z = perturb(view_of(kind, model), search, budget, given, y, generator=generator(seed))
    return z.movedim(0, 1) if kind.discrete else z


def test_there_is_a_size_for_every_budget():
    assert set(EPS) == set(BUDGETS)


def test_every_budget_has_a_search():
    assert {kind for _, kind in PAIRS} == set(BUDGETS)


@EVERY
def test_it_stays_in_budget_and_range(search, kind):
    budget = kind(eps=EPS[kind.__name__])
    z, (x, _) = attacked(search, kind, budget), data(kind)
    assert budget.contains(z, x).all()
    assert z.min() >= 0
    assert budget.high == float("inf") or z.max() <= 1
    assert z.shape == x.shape
    assert not z.requires_grad


@EVERY
def test_no_budget_changes_nothing_even_outside_the_range(search, kind):
    x, _ = data(kind)
    x = x if kind.discrete else 3 * x - 1
    assert torch.equal(attacked(search, kind, kind(eps=0), x=x), x)


@EVERY
def test_the_generator_decides_everything(search, kind):
    budget = kind(eps=EPS[kind.__name__])
    torch.manual_seed(5)
    first = attacked(search, kind, budget, seed=3)
    torch.manual_seed(6)
    assert torch.equal(attacked(search, kind, budget, seed=3), first)


@ALL
def test_the_network_is_afterwards_as_it_was(search):
    model, kind = small_network(), BUDGETS[FIRST[type(search).__name__]]
    model.module[1].train()
    model.module[0].weight.requires_grad_(False)
    model.module[0].weight.grad = None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    unrolls = [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    random = torch.random.get_rng_state()
    attacked(search, kind, kind(eps=EPS[kind.__name__]), model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert [value.requires_grad for value in model.parameters()][:2] == [False, True]
    assert [part.training for part in model.module] == [False, True, *[False] * 6]
    assert unrolls == [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    assert torch.equal(torch.random.get_rng_state(), random)


@ALL
def test_also_after_an_exception(search):
    model, kind = small_network(), BUDGETS[FIRST[type(search).__name__]]
    model.module[1].train()
    unrolls = [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    left = [8]

    def fail(*_):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    if type(search).__name__ in ("FGSM", "RFGSM", "RandomNoise"):
        left[0] = 0
    hook = model.module[5].register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        attacked(search, kind, kind(eps=EPS[kind.__name__]), model)
    hook.remove()
    assert [part.training for part in model.module] == [False, True, *[False] * 6]
    assert unrolls == [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    assert all(value.grad is None for value in model.parameters())


@EVERY
def test_what_it_finds_is_found_again_in_any_split(search, kind):
    view = view_of(kind)
    x = torch.cat([data(kind)[0]] * 3)
    y = view(x).argmax(1)
    batches = (
        [(x[:7].movedim(1, 0), y[:7]), (x[7:].movedim(1, 0), y[7:])]
        if kind.discrete
        else [(x[:7], y[:7]), (x[7:], y[7:])]
    )
    result = run_attack(view, search, kind(eps=EPS[kind.__name__]), batches, keep=True)
    assert result.clean.all()
    for one, robust, label in zip(result.adversarial, result.robust, y):
        assert bool(view.seen_by(None)(one[None]).argmax(1) == label) == bool(robust)


@ALL
def test_it_attacks_an_ordinary_network(search):
    kind = BUDGETS[FIRST[type(search).__name__]]
    torch.manual_seed(0)
    x = torch.cat([data(kind)[0], torch.rand(14, *data(kind)[0].shape[1:]).round(decimals=0 if kind.discrete else 3)])
    ordinary = Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 8), nn.ReLU(), nn.Linear(8, 4, bias=False))
    )
    budget = kind(eps=20) if kind.discrete else kind(eps=1.0)
    result = run_attack(ordinary, search, budget, [(x, ordinary(x).argmax(1))])
    assert result.clean_accuracy == 1
    assert 0 <= result.robust_accuracy < 1


@pytest.mark.parametrize(
    ("search", "budget", "match"),
    [
        (SEARCH["PGD"], "SpikeFlips", r"PGD: got a budget SpikeFlips; expected a norm. GreedyEvents takes every"),
        (
            SEARCH["GreedyEvents"],
            "Linf",
            r"GreedyEvents: got a budget Linf; expected EventBudget. PGD takes every norm",
        ),
    ],
)
def test_a_search_says_what_it_refuses_no_sense(search, budget, match):
    with pytest.raises(ArgumentError, match=match):
        attacked(search, BUDGETS[budget], BUDGETS[budget]())


REFUSED = [(name, kind) for name in SEARCH for kind in BUDGETS if (name, kind) not in PAIRS]


@pytest.mark.parametrize(("search", "kind"), REFUSED, ids=map("-".join, REFUSED))
def test_it_refuses_what_it_is_not_defined_for(search, kind):
    with pytest.raises(ArgumentError, match=rf"{search}: got a budget {kind}; expected "):
        attacked(SEARCH[search], BUDGETS[kind], BUDGETS[kind]())


@ALL
def test_an_objective_is_a_function(search):
    if not hasattr(search, "objective"):
        return
    with pytest.raises(ArgumentError, match=r"objective: got 'dlr'; expected a function.* OBJECTIVES"):
        type(search)(objective="dlr")


def test_a_budget_of_time_refuses_images():
    view = Classifier(small_network(), 3)
    with pytest.raises(
        ArgumentError, match=r"attack.budget: got SpikeShifts for images; expected it for a classifier of"
    ):
        run_attack(view, SEARCH["GreedyEvents"], BUDGETS["SpikeShifts"](), [data(BUDGETS["Linf"])])


def test_all_of_them_are_searches():
    assert all(issubclass(kind, Search) for kind in SEARCHES.values())
    assert {"FGSM", "PGD"} <= set(SEARCHES)
    assert set(SMALL) <= set(SEARCHES)

"""What every search must do, with every budget: stay inside, be reproducible, and leave the network as it was."""

import pytest
import torch
from torch import nn

from spikewright.attack import BUDGETS, HART, SEARCHES, Classifier, Search, perturb, run_attack
from spikewright.core.seed import generator
from tests.attack.conftest import small_network

EPS = {"Linf": 0.1, "L2": 0.5, "L0": 5}
"""A size for every budget, in its own unit."""

ALL = pytest.mark.parametrize("search", [kind() for kind in SEARCHES.values()], ids=list(SEARCHES))
EVERY = pytest.mark.parametrize("kind", BUDGETS.values(), ids=BUDGETS)


@pytest.fixture(scope="module")
def batch():
    x = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    x[0] = 0.0  # values at the ends of the range, where half of the budget is cut off
    x[1] = 1.0
    return x, torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.fixture(scope="module")
def view():
    return Classifier(small_network(), 3, rule=HART(gamma=1.0))


def test_there_is_a_size_for_every_budget():
    assert set(EPS) == set(BUDGETS)


@ALL
@EVERY
def test_it_stays_in_budget_and_range(search, kind, batch, view):
    budget = kind(eps=EPS[kind.__name__])
    z = perturb(view, search, budget, *batch, generator=generator(0))
    assert budget.contains(z, batch[0]).all()
    assert z.min() >= 0
    assert z.max() <= 1
    assert z.shape == batch[0].shape
    assert not z.requires_grad


@ALL
@EVERY
def test_no_budget_changes_nothing_even_outside_the_range(search, kind, batch, view):
    x = 3 * batch[0] - 1
    assert torch.equal(perturb(view, search, kind(eps=0.0), x, batch[1], generator=generator(0)), x)


@ALL
@EVERY
def test_the_generator_decides_everything(search, kind, batch, view):
    budget = kind(eps=EPS[kind.__name__])
    torch.manual_seed(5)
    first = perturb(view, search, budget, *batch, generator=generator(3))
    torch.manual_seed(6)
    assert torch.equal(perturb(view, search, budget, *batch, generator=generator(3)), first)


@ALL
def test_the_network_is_afterwards_as_it_was(search, batch):
    model = small_network()
    model.module[1].train()
    model.module[0].weight.requires_grad_(False)
    model.module[0].weight.grad = None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    unrolls = [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    random = torch.random.get_rng_state()
    budget = BUDGETS["Linf"](eps=0.1)
    perturb(Classifier(model, 3, rule=HART()), search, budget, *batch, generator=generator(0))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert [value.requires_grad for value in model.parameters()][:2] == [False, True]
    assert [part.training for part in model.module] == [False, True, *[False] * 6]
    assert unrolls == [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    assert torch.equal(torch.random.get_rng_state(), random)


@ALL
def test_also_after_an_exception(search, batch):
    model = small_network()
    model.module[1].train()
    unrolls = [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    left = [8]

    def fail(*_):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    if type(search).__name__ in ("FGSM", "RandomNoise"):
        left[0] = 0
    hook = model.module[5].register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        perturb(Classifier(model, 3, rule=HART()), search, BUDGETS["Linf"](eps=0.1), *batch, generator=generator(0))
    hook.remove()
    assert [part.training for part in model.module] == [False, True, *[False] * 6]
    assert unrolls == [layer.unroll for layer in model.modules() if hasattr(layer, "unroll")]
    assert all(value.grad is None for value in model.parameters())


@ALL
@EVERY
def test_what_it_finds_is_found_again_in_any_split(search, kind, batch, view):
    x = torch.cat([batch[0]] * 3)
    y = view(x).argmax(1)
    result = run_attack(view, search, kind(eps=EPS[kind.__name__]), [(x[:7], y[:7]), (x[7:], y[7:])], keep=True)
    assert result.clean.all()
    for one, robust, label in zip(result.adversarial, result.robust, y):
        assert bool(view.seen_by(None)(one[None]).argmax(1) == label) == bool(robust)


@ALL
def test_it_attacks_an_ordinary_network(search, batch):
    torch.manual_seed(0)
    ordinary = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 4)))
    result = run_attack(ordinary, search, BUDGETS["Linf"](eps=1.0), [(batch[0], ordinary(batch[0]).argmax(1))])
    assert result.clean_accuracy == 1
    assert 0 <= result.robust_accuracy < 1


def test_all_of_them_are_searches():
    assert all(issubclass(kind, Search) for kind in SEARCHES.values())
    assert {"FGSM", "PGD"} <= set(SEARCHES)

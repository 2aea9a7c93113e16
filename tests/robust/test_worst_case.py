"""Worst case per sample: flags joined by AND, the first attack to break each sample, and tables of both."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from spikewright.attack import FGSM, HART, PGD, Classifier, Linf, RandomNoise, Search
from spikewright.coding import as_given
from spikewright.core.errors import ArgumentError, DataError
from spikewright.robust import NamedAttack, worst_case
from spikewright.robust.named_attack import called
from tests.attack.conftest import small_network


@dataclass(frozen=True, kw_only=True)
class Moves(Search):
    """x + change where x is below a limit, x elsewhere: it breaks some samples and not others."""

    change: float = 0.2
    below: float = 9.0

    def search(self, oracle, generator):
        return torch.where(oracle.x < self.below, oracle.x + self.change, oracle.x)


def named(row, column="rule", **values):
    return NamedAttack(row=row, column=column, search=Moves(**values))


@pytest.fixture
def line():
    """One value, two classes: class 1 from 0.5 on."""
    layer = nn.Linear(1, 2)
    layer.weight.data = torch.tensor([[0.0], [1.0]])
    layer.bias.data = torch.tensor([0.0, -0.5])
    return Classifier(layer)


X, Y = torch.tensor([[0.35], [0.4], [0.6], [0.9], [0.1]]), torch.tensor([0, 0, 1, 0, 0])
BATCHES = [(X[:3], Y[:3]), (X[3:], Y[3:])]
UP_LOW = named("up", "lower", change=0.2, below=0.38)  # breaks 0
UP_ALL = named("up", "all", change=0.2)  # breaks 0 and 1
DOWN = named("down", change=-0.15)  # breaks 2
BUDGET = Linf(eps=0.25)


def test_flags_of_each_attack_and_of_all(line):
    found = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES)
    assert found.clean.tolist() == [True, True, True, False, True]
    assert [outcome.robust.tolist() for outcome in found.outcomes] == [
        [False, True, True, False, True],
        [False, False, True, False, True],
        [True, True, False, False, True],
    ]
    assert found.robust.tolist() == [False, False, False, False, True]
    assert found.broken_by.tolist() == [0, 1, 2, -2, -1]
    assert found.clean_accuracy == pytest.approx(0.8)
    assert found.robust_accuracy == pytest.approx(0.2)  # below every single accuracy: 0.6, 0.4, 0.6
    assert found.only_by(found.outcomes[1]).tolist() == [False, True, False, False, False]
    torch.testing.assert_close(found.adversarial, torch.tensor([[0.55], [0.6], [0.45], [0.9], [0.1]]))
    assert found.labels.tolist() == Y.tolist()


def test_the_table_has_rows_for_searches_columns_for_rules_and_the_worst_case_last(line):
    table = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES).table(("a note",))
    assert [column.name for column in table.columns] == ["search", "lower", "all", "rule", "worst case", "low", "high"]
    assert table.column("search") == ("no attack", "up", "down", "all of them")
    assert table.column("all") == (None, 0.4, None, 0.4)
    assert table.column("rule") == (None, None, 0.6, 0.6)
    assert table.column("worst case") == (0.8, 0.4, 0.6, 0.2)
    low, high = table.column("low")[-1], table.column("high")[-1]
    assert 0.03 < low < 0.2 < high < 0.7
    assert "5 samples, all counted" in table.caption
    assert table.notes == ("a note",)


def test_every_attack_has_its_line(line):
    table = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES).attacks_table()
    assert table.column("attack") == ("up, lower", "up, all", "down, rule")
    assert table.column("first") == (1, 1, 1)
    assert table.column("only") == (0, 1, 1)
    assert table.column("samples") == (5, 5, 5)


def test_only_survivors_gives_the_same_worst_case_with_less_work(line):
    whole = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES)
    quick = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES, every=False)
    assert torch.equal(quick.robust, whole.robust)
    assert torch.equal(quick.broken_by, whole.broken_by)
    assert torch.equal(quick.adversarial, whole.adversarial)
    assert [outcome.attacked for outcome in quick.outcomes] == [5, 3, 2]
    assert "only" not in [column.name for column in quick.attacks_table().columns]
    nothing = worst_case(
        line, [named("all", change=0.45), named("far", change=-0.45), DOWN], Linf(eps=1.0), BATCHES, every=False
    )
    assert nothing.robust_accuracy == 0
    assert [outcome.attacked for outcome in nothing.outcomes] == [5, 1, 0]


def test_the_order_of_attacks_changes_no_flag(line):
    one = worst_case(line, [UP_LOW, UP_ALL, DOWN], BUDGET, BATCHES)
    other = worst_case(line, [DOWN, UP_ALL, UP_LOW], BUDGET, BATCHES)
    assert torch.equal(one.robust, other.robust)
    assert other.broken_by.tolist() == [1, 1, 0, -2, -1]


def test_another_attack_never_raises_the_worst_case_and_it_is_below_each():
    view = Classifier(small_network(), 3)
    x = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    batches = [(x, view(x).argmax(1))]
    attacks = [
        NamedAttack(row="noise", search=RandomNoise()),
        NamedAttack(row="FGSM", column="HART", search=FGSM(), rule=HART(gamma=1.0)),
        NamedAttack(row="PGD", column="own", search=PGD(steps=3)),
    ]
    found = [worst_case(view, attacks[: count + 1], Linf(eps=0.03), batches) for count in range(3)]
    shares = [each.robust_accuracy for each in found]
    assert shares == sorted(shares, reverse=True)
    assert all(found[2].robust_accuracy <= outcome.accuracy for outcome in found[2].outcomes)
    assert found[2].robust_accuracy < min(outcome.accuracy for outcome in found[2].outcomes) + 1e-9


def test_the_inputs_that_are_kept_are_those_that_broke_it():
    model = small_network()
    view = Classifier(model, 3, encode=as_given)
    frames = torch.rand(3, 8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = view(frames.movedim(1, 0)).argmax(1)
    budget = Linf(eps=0.1)
    attacks = [
        NamedAttack(row="FGSM", column="own", search=FGSM()),
        NamedAttack(row="PGD", column="own", search=PGD(steps=4)),
    ]
    found = worst_case(view, attacks, budget, [(frames[:, :5], y[:5]), (frames[:, 5:], y[5:])], every=False)
    assert found.adversarial.shape == (8, 3, 1, 6, 6)
    assert int((~found.robust).sum()) > 0
    assert torch.equal(view(found.adversarial).argmax(1) == y, found.robust)
    assert budget.contains(found.adversarial, frames.movedim(1, 0)).all()


def test_transfer_follows_the_other_network_and_is_judged_by_the_first():
    view, other = (Classifier(small_network(seed=seed), 3) for seed in (0, 1))
    x = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    batches = [(x, view(x).argmax(1))]
    attack = NamedAttack(row="transfer", search=PGD(steps=5), through=other)
    assert attack.kind == "transfer"
    white = worst_case(view, [NamedAttack(row="PGD", column="own", search=PGD(steps=5))], Linf(eps=0.03), batches)
    assert white.robust_accuracy < worst_case(view, [attack], Linf(eps=0.03), batches).robust_accuracy


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: NamedAttack(row="", column="own", search=PGD()), r"NamedAttack.row: got an empty name"),
        (lambda: NamedAttack(row="a", column="own", search=Linf()), r"NamedAttack.search: got Linf; expected a search"),
        (lambda: NamedAttack(row="a", search=PGD()), r"NamedAttack.column: got no name of the rule for PGD"),
        (
            lambda: NamedAttack(row="a", column="own", search=RandomNoise()),
            r"NamedAttack.column: got 'own' for an attack that takes no gradient",
        ),
        (
            lambda: NamedAttack(row="a", column="low", search=PGD()),
            r"NamedAttack.column: got 'low'; expected another name",
        ),
        (lambda: NamedAttack(row="a", column="x", search=PGD(), rule=PGD()), r"NamedAttack.rule: got PGD"),
        (
            lambda: NamedAttack(row="a", search=PGD(), through=PGD()),
            r"NamedAttack.through: got PGD; expected a Classifier",
        ),
        (lambda: NamedAttack(row="a", column="x", search=PGD(), restarts=0), r"NamedAttack.restarts: got 0"),
    ],
)
def test_wrong_attacks(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


@pytest.mark.parametrize(
    ("attacks", "match"),
    [
        ([], r"worst_case.attacks: got none; expected a list of NamedAttack"),
        (UP_ALL, r"worst_case.attacks: got NamedAttack; expected a list"),
        ([PGD()], r"worst_case.attacks: got PGD among them; expected NamedAttack alone"),
        ([UP_ALL, UP_ALL], r"worst_case.attacks: got 'up, all' twice; expected different names"),
    ],
)
def test_wrong_lists_of_attacks(line, attacks, match):
    with pytest.raises(ArgumentError, match=match):
        worst_case(line, attacks, BUDGET, BATCHES)


def test_no_data(line):
    with pytest.raises(DataError, match=r"worst_case: got no batch; expected at least one"):
        worst_case(line, [UP_ALL], BUDGET, [])


def test_names_tell_what_differs_from_the_defaults():
    from spikewright.attack import SurrogateBPTT
    from spikewright.core import ATan

    assert called(SurrogateBPTT(surrogate=ATan(alpha=3.0))) == "SurrogateBPTT surrogate=ATan(alpha=3)"
    assert called(PGD(steps=20, relative_step=0.1)) == "PGD steps=20 relative_step=0.1"

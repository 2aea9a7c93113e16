"""Evaluation of a network: a defence that only hides its gradient is exposed, an honest one keeps its numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spikewright.attack import FGSM, HART, PGD, RGA, Classifier, Linf, RandomNoise, SpikeFlips, Square, SurrogateBPTT
from spikewright.core import Spiking, Triangle, to_zero
from spikewright.core.errors import ArgumentError, ShapeError
from spikewright.neurons import IF, LIF
from spikewright.neurons.multi_threshold_if import MultiThresholdIF
from spikewright.robust import (
    NamedAttack,
    Probing,
    choose_gamma,
    eps_curve,
    evaluate_robustness,
    quick_suite,
    rule_curve,
    steps_curve,
    whole_suite,
)  # fmt: skip
from spikewright.robust.curves import GAMMAS, curves_table, gammas, widths, worst_of
from spikewright.robust.probes import alike, keeps_forward, seen_by_rules
from spikewright.robust.suites import QUICK_RULES, fitting, gamma_suite
from tests.attack.conftest import small_network

BUDGET = Linf(eps=0.03)
QUICK = Probing(
    samples=12, eps=(0.0, 0.5, 1.0), steps=(2, 5, 10), widths=(0.25, 1.0, 4.0), rules=5, search=PGD(steps=4)
)
ATTACKS = [
    NamedAttack(row="noise", search=RandomNoise()),
    *(NamedAttack(row="FGSM", column=name, search=FGSM(), rule=rule) for name, rule in QUICK_RULES.items()),
    *(NamedAttack(row="PGD-5", column=name, search=PGD(steps=5), rule=rule) for name, rule in QUICK_RULES.items()),
    NamedAttack(row="Square", search=Square(queries=15)),
]


def data(view, count=24):
    x = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    return [(x, view(x).argmax(1))]


def hidden():
    """The small network with a surrogate so narrow that its own gradient is zero nearly everywhere."""
    return small_network(lambda: IF(spike=Triangle(gamma=1e-4), reset=to_zero))


@pytest.fixture(scope="module")
def masked():
    view = Classifier(hidden(), 3)
    return evaluate_robustness(view, ATTACKS, BUDGET, data(view), probing=QUICK)


@pytest.fixture(scope="module")
def open_network():
    view = Classifier(small_network(), 3)
    other = Classifier(small_network(), 3)
    return evaluate_robustness(view, ATTACKS, BUDGET, data(view), probing=QUICK, other=other)


def outcome(found, name):
    (check,) = [check for check in found.checks if check.name == name]
    return check


def test_a_defence_that_hides_its_gradient_is_exposed(masked):
    (own,) = masked.worst.of(row="FGSM", column="own")
    assert own.accuracy > 0.9, "its own gradient finds nothing"
    assert masked.robust_accuracy < 0.3, "the other rules do"
    assert masked.empty_rules == ("own",)
    assert "own: zero for" in outcome(masked, "gradients exist").found
    notes = " ".join(masked.table().notes)
    assert "own has no gradient for some samples: its column is no evidence." in notes
    assert outcome(masked, "rules change the gradient alone").outcome == "passed"


def test_hidden_from_every_rule_that_is_tried_it_fails_the_checks():
    view = Classifier(hidden(), 3)
    narrow = SurrogateBPTT(surrogate=Triangle(gamma=1e-4))
    attacks = [
        NamedAttack(row="noise", search=RandomNoise()),
        NamedAttack(row="FGSM", column="own", search=FGSM()),
        NamedAttack(row="FGSM", column="narrow", search=FGSM(), rule=narrow),
        NamedAttack(row="PGD", column="own", search=PGD(steps=5, start=0.0)),
        NamedAttack(row="Square", search=Square(queries=60)),
    ]
    other = Classifier(small_network(), 3)
    found = evaluate_robustness(view, attacks, replace(BUDGET, eps=0.06), data(view), probing=QUICK, other=other)
    failed = {check.name for check in found.failed}
    assert {"gradients exist", "knowledge helps", "queries find nothing new"} <= failed


def test_an_open_network_passes(open_network):
    assert open_network.clean_accuracy == 1
    weak = {"queries find nothing new", "the attack breaks an undefended network"}  # fresh weights, 24 samples
    assert {check.name for check in open_network.failed} <= weak
    assert outcome(open_network, "eps = 0 returns the input").outcome == "passed"
    assert outcome(open_network, "some eps breaks everything").outcome == "passed"
    assert outcome(open_network, "the network repeats itself").outcome == "passed"
    assert outcome(open_network, "the attack breaks an undefended network").outcome != "reported"
    assert [each.attack.row for each in open_network.worst.of(kind="transfer")] == ["PGD-5 through another"]


def test_what_is_told(open_network):
    titles = [table.title for table in open_network.tables()]
    curves = [f"Accuracy against {over}" for over in ("eps", "steps", "width", "gamma")]
    assert titles == ["Accuracy under attack", "Checks", "Attacks", *curves]
    assert open_network.table().notes[0].startswith("Checks: ")
    lines = [curve.name for curve in open_network.eps]
    assert lines == ["noise", *QUICK_RULES, "worst case"]
    assert open_network.eps[0].values == (0.0, 0.015, 0.03, 1.0)
    assert open_network.eps[-1].accuracy[0] == 1
    assert len(open_network.tables()[3].rows) == 7 * 4


def test_without_probing_nothing_is_claimed():
    view = Classifier(small_network(), 3)
    found = evaluate_robustness(view, ATTACKS[:3], BUDGET, data(view), probing=None)
    assert found.checks == found.eps == ()
    assert found.table().notes == ("Checks: none was run.",)


def test_survivors_alone_leave_out_comparisons_that_need_all():
    view = Classifier(small_network(), 3)
    attacks = [ATTACKS[1], NamedAttack(row="PGD", column="own", search=PGD(steps=5, start=0.0))]
    found = evaluate_robustness(view, attacks, BUDGET, data(view), probing=QUICK, every=False)
    whole = evaluate_robustness(view, attacks, BUDGET, data(view), probing=None)
    assert outcome(found, "many steps beat one").outcome == "reported"
    assert outcome(found, "knowledge helps").outcome == "reported"
    assert torch.equal(found.worst.robust, whole.worst.robust)


def test_rules_for_other_neurons_are_left_out_and_named():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), MultiThresholdIF(), nn.Linear(8, 4))
    view = Classifier(Spiking(network), 2)
    attacks = [ATTACKS[0], *ATTACKS[3:6]]
    found = evaluate_robustness(view, attacks, BUDGET, data(view, 6), probing=None)
    assert set(found.left_out) == {"HART 0.5", "RGA", "twin"}
    assert "MultiThresholdIF" in found.left_out["RGA"]
    assert any(note.startswith("RGA is left out: RGA: got layer 2 (MultiThresholdIF)") for note in found.table().notes)
    assert "RGA" not in [column.name for column in found.table().columns]
    with pytest.raises(ArgumentError, match=r"suite: got no attack that fits the network"):
        evaluate_robustness(view, [NamedAttack(row="a", column="RGA", search=PGD(), rule=RGA())], BUDGET, data(view, 6))


def test_squares_need_images():
    view = Classifier(Spiking(nn.Sequential(nn.Linear(4, 8), LIF(), nn.Linear(8, 3))), 2)
    kept, left_out = fitting(view, ATTACKS, BUDGET, torch.rand(2, 4))
    assert "Square: got inputs of shape [2, 4]; expected images" in left_out["Square"]
    assert len(kept) == len(ATTACKS) - 1


@pytest.mark.parametrize("suite", [quick_suite, whole_suite])
def test_suites_have_different_names_and_fit_a_network_of_neurons(suite):
    view = Classifier(small_network(), 3)
    attacks = suite()
    assert len({attack.name for attack in attacks}) == len(attacks)
    assert fitting(view, attacks, BUDGET, torch.rand(2, 1, 6, 6)) == (attacks, {})
    assert {attack.kind for attack in attacks} == {"noise", "gradient", "query"}


def test_rules_differ_where_they_should_and_the_forward_pass_stays():
    view = Classifier(small_network(), 3)
    ((x, y),) = data(view)
    rules = {"own": None, "same": SurrogateBPTT(surrogate=Triangle()), "HART": HART(gamma=1.0)}
    seen = seen_by_rules(view, rules, x, y)
    assert alike(seen) == [("own", "same")]
    assert keeps_forward(seen, rules, view(x).detach()) == {"own": True, "same": True, "HART": True}
    assert not seen["HART"].zero.any()
    one = Classifier(small_network(), 1)
    at_one = seen_by_rules(one, {"BPTT": rules["same"], "HART": rules["HART"]}, x, y)
    assert alike(at_one) == [("BPTT", "HART")]


def test_curves_are_attacks_at_single_values():
    view = Classifier(small_network(), 3)
    batches, attack = data(view), NamedAttack(row="PGD", column="own", search=PGD(steps=3))
    curve = eps_curve(view, attack, BUDGET, (0.0, 0.03), batches)
    assert curve.accuracy[0] == 1
    alone = evaluate_robustness(view, [attack], BUDGET, batches, probing=None)
    assert torch.equal(curve.robust[1], alone.worst.robust)
    longer = steps_curve(view, attack, BUDGET, (1, 3, 9), batches)
    assert list(longer.accuracy) == sorted(longer.accuracy, reverse=True)
    assert not (longer.robust[2] & ~longer.robust[1]).any(), "runs go on where shorter ones ended"
    table = curves_table("A", [curve, replace(curve, name="b")])
    assert table.column("attack") == ("PGD, own", "PGD, own", "b", "b")
    assert table.column("accuracy")[0] == 1


def test_a_grid_counted_together_is_at_least_as_strong_as_its_best():
    view = Classifier(small_network(), 3)
    grid = rule_curve("HART", "gamma", view, FGSM(), gammas((0.25, 0.5, 1.0, 2.0)), BUDGET, data(view))
    assert float(grid.worst.double().mean()) <= min(grid.accuracy)
    sweep = rule_curve("BPTT", "width", view, FGSM(), widths((0.01, 1.0)), BUDGET, data(view))
    assert sweep.accuracy[0] > sweep.accuracy[1], "a narrow surrogate hides the network"
    both = worst_of([grid, replace(grid, robust=torch.zeros_like(grid.robust))])
    assert both.accuracy == (0.0,) * 4
    assert [attack.column for attack in gamma_suite(FGSM(), "FGSM")][::47] == ["HART 0.1", "HART 2.45"]


def test_gamma_is_chosen_by_what_it_breaks_of_held_out_samples():
    view = Classifier(small_network(), 3)
    batches = data(view)
    grid = (0.001, 0.5, 1.0)
    curve = rule_curve("HART", "gamma", view, FGSM(), gammas(grid), BUDGET, batches)
    chosen = choose_gamma(view, FGSM(), BUDGET, batches, grid)
    assert curve.accuracy[grid.index(chosen)] == min(curve.accuracy)
    assert chosen != 0.001
    assert (GAMMAS[0], GAMMAS[-1], len(GAMMAS)) == (0.1, 2.45, 48)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda view: eps_curve(view, ATTACKS[1], BUDGET, (0.1, 0.1), data(view)), r"eps_curve.eps: got \(0.1, 0.1\)"),
        (lambda view: steps_curve(view, ATTACKS[1], BUDGET, (1,), data(view)), r"steps_curve.attack: got FGSM"),
        (
            lambda view: rule_curve("a", "b", view, FGSM(), {}, BUDGET, data(view)),
            r"rule_curve.rules: got \(\); expected",
        ),
        (lambda view: Probing(samples=0), r"Probing.samples: got 0"),
        (
            lambda view: Probing(widths=(1.0, 0.5)),
            r"Probing.widths: got \(1.0, 0.5\); expected numbers in rising order",
        ),
        (lambda view: Probing(steps=()), r"Probing.steps: got \(\)"),
        (
            lambda view: evaluate_robustness(view, ATTACKS, BUDGET, data(view), probing=3),
            r"evaluate_robustness.probing: got int; expected a Probing",
        ),
        (lambda view: evaluate_robustness(view, [], BUDGET, data(view)), r"evaluate_robustness.attacks: got none"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises((ArgumentError, ShapeError), match=match):
        make(Classifier(small_network(), 3))


def test_a_budget_that_the_search_of_the_curves_does_not_take_is_refused_first():
    view = Classifier(small_network(), 3)
    with pytest.raises(ArgumentError, match=r"PGD: got a budget SpikeFlips; expected a norm"):
        evaluate_robustness(view, ATTACKS, SpikeFlips(eps=3), data(view))


def test_a_network_that_draws_is_reported_as_such():
    view = Classifier(small_network(), 3, draws=2)
    found = evaluate_robustness(view, ATTACKS[1:2], BUDGET, data(view, 6), probing=replace(QUICK, samples=3, gammas=()))
    assert outcome(found, "the network repeats itself").outcome == "reported"


def test_a_network_that_is_no_classifier_is_refused():
    with pytest.raises(ArgumentError, match="got Spiking; expected a Classifier"):
        evaluate_robustness(Spiking(nn.Sequential(nn.Flatten(), IF())), quick_suite(), BUDGET, [])


def test_labels_of_another_integer_type_give_the_same_result():
    view = Classifier(small_network(), 4)
    ((x, y),) = data(view, 4)
    judged = [evaluate_robustness(view, ATTACKS[:2], BUDGET, [(x, z)], probing=None) for z in (y, y.int())]
    assert torch.equal(judged[0].worst.robust, judged[1].worst.robust)


def test_where_nothing_is_right_or_data_lie_outside_a_check_fails() -> None:
    view = Classifier(small_network(), 3)
    ((images, right),) = data(view, 6)
    done: list[float] = []
    found = evaluate_robustness(
        view, ATTACKS[:2], BUDGET, [(images, (right + 1) % 4)], probing=QUICK,
        attacked=lambda worst: done.append(worst.clean_accuracy),
    )  # fmt: skip
    assert done == [0.0]
    assert outcome(found, "there is something to break").outcome == "failed"
    assert outcome(found, "the data lie in the range").outcome == "passed"
    bright = 3 * images
    found = evaluate_robustness(view, ATTACKS[:2], BUDGET, [(bright, view(bright).argmax(1))], probing=QUICK)
    assert outcome(found, "there is something to break").outcome == "passed"
    assert outcome(found, "the data lie in the range").outcome == "failed"

"""Each check passes and fails at its gate, and says what it found."""

import pytest
import torch

from spikewright.robust import checks
from spikewright.robust.curves import Curve


def curve(*rows, values=None, over="eps", name="PGD, own"):
    flags = torch.tensor(rows, dtype=torch.bool)
    return Curve(name, over, tuple(values or range(len(rows))), flags)


def counts(*left, of=100, **how):
    """A curve that leaves so many of 100 samples right."""
    return curve(*([1] * count + [0] * (of - count) for count in left), **how)


def test_a_curve_may_rise_by_one_sample_in_two_hundred():
    assert checks.falls_with_eps([counts(90, 50, 51)]).outcome == "passed"
    risen = checks.falls_with_eps([counts(90, 50, 20), counts(90, 50, 52, name="RGA", values=(0, 0.1, 0.2))])
    assert (risen.outcome, risen.found) == ("failed", "largest rise: 2 samples at eps = 0.2, RGA")
    late = checks.falls_with_eps([counts(90, 50, 51, 52)])  # against the lowest before, not only the neighbour
    assert late.outcome == "failed"
    assert checks.falls_with_eps([counts(800, 100, 104, of=800)]).outcome == "passed"


def test_the_full_range_must_break_everything():
    assert checks.some_eps_breaks_everything(counts(90, 0)).outcome == "passed"
    left = checks.some_eps_breaks_everything(counts(90, 10, values=(0.1, 1.0)))
    assert (left.outcome, left.found) == ("failed", "10.0 % at eps = 1")


def test_steps_may_fall_behind_by_one_per_cent():
    assert checks.more_steps_are_stronger(counts(50, 51, over="steps", values=(5, 10))).outcome == "passed"
    found = checks.more_steps_are_stronger(counts(50, 52, over="steps", values=(5, 10)))
    assert (found.outcome, found.found) == ("failed", "50.0 % (5), 52.0 % (10); PGD, own")


def test_many_steps_are_compared_with_one_of_the_same_rule():
    good = checks.many_steps_beat_one({"own": 0.5, "RGA": 0.4, "alone": 0.1}, {"own": 0.3, "RGA": 0.405})
    assert (good.outcome, good.found) == ("passed", "own: one step 50.0 %, many 30.0 %")
    assert checks.many_steps_beat_one({"own": 0.5}, {"own": 0.52}).outcome == "failed"
    assert checks.many_steps_beat_one({"own": 0.5}, {"RGA": 0.5}).outcome == "reported"


@pytest.mark.parametrize(
    ("shares", "outcome"),
    [
        ((0.1, 0.3, 0.9), "passed"), ((0.1, None, 0.9), "passed"), ((0.1, 0.1, 0.1), "passed"),
        ((0.4, 0.3, 0.9), "failed"), ((0.1, 0.95, 0.9), "failed"), ((0.91, None, 0.9), "failed"),
        ((0.1, None, None), "reported"), ((None, None, None), "reported"),
    ],
)  # fmt: skip
def test_who_knows_more_breaks_more(shares, outcome):
    assert checks.knowledge_helps(*shares).outcome == outcome


def test_samples_that_fall_to_queries_alone_are_listed():
    only = torch.zeros(1000, dtype=torch.bool)
    only[[3, 7]] = True
    two = checks.queries_find_nothing_new(only)
    assert (two.outcome, two.found) == ("passed", "2 samples fall to queries alone: 3, 7")
    only[20:40] = True
    many = checks.queries_find_nothing_new(only)
    assert many.outcome == "failed"
    assert many.found == "22 samples fall to queries alone: 3, 7, 20, 21, 22, 23, 24, 25, 26, 27, ..."
    assert checks.queries_find_nothing_new(only[:3]).found == "no sample falls to queries alone"
    assert checks.queries_find_nothing_new(None).outcome == "reported"


def test_rules_without_gradients_are_named():
    some = checks.gradients_exist({"own": 0.5, "RGA": 0.01})
    assert (some.outcome, some.found) == ("reported", "own: zero for 50 %, its column says nothing")
    assert checks.gradients_exist({"own": 0.0}).outcome == "passed"
    assert checks.gradients_exist({"own": 0.02, "RGA": 1.0}).outcome == "failed"
    assert checks.gradients_exist({}).outcome == "reported"
    assert checks.invalid_rules({"own": 0.011, "RGA": 0.01}) == ["own"]


def test_the_best_width_lies_inside():
    inside = counts(50, 20, 40, over="width", values=(0.25, 1, 4))
    assert checks.best_width_is_inside(inside).outcome == "passed"
    assert checks.best_width_is_inside(counts(50, 40, 20, values=(0.25, 1, 4))).outcome == "failed"
    assert checks.best_width_is_inside(counts(20, 20, 40, values=(0.25, 1, 4))).outcome == "passed"
    assert checks.best_width_is_inside(counts(20, 20, 21, values=(0.25, 1, 4))).outcome == "reported"
    assert checks.best_width_is_inside(None).outcome == "reported"


def test_the_others():
    assert checks.no_budget_changes_nothing(["APGD"]).outcome == "failed"
    assert checks.loss_rises(0.5).outcome == checks.loss_rises(None).outcome == "reported"
    assert [checks.repeats_itself(same).outcome for same in (True, False, None)] == ["passed", "failed", "reported"]
    assert [checks.breaks_the_undefended(share).outcome for share in (0.96, 0.95, None)] == [
        "passed",
        "failed",
        "reported",
    ]
    assert checks.rules_differ({"RGA": True, "HART": True}, []).outcome == "passed"
    assert checks.rules_differ({"RGA": False}, []).found == "RGA changes the logits"
    assert checks.rules_differ({"RGA": True}, [("RGA", "HART")]).outcome == "failed"


def test_the_sentence_counts_and_names_what_failed():
    made = [checks.repeats_itself(True), checks.repeats_itself(False), checks.loss_rises(None)]
    text = "Checks: 1 passed, 1 failed, 1 only reported. Failed: the network repeats itself: two passes differ."
    assert checks.said(made) == text
    table = checks.checks_table(made)
    assert table.column("outcome") == ("passed", "failed", "reported")
    assert table.caption == text

"""Checks: what must hold before a robust accuracy means anything; each is a function of numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor

from ..report.table import Column, Table
from .curves import Curve

SLACK = 0.01
"""Share of samples by which a stronger attack may fall behind by chance of its start."""
ONLY_QUERIES = 0.002
"""Share of samples that may fall to queries alone."""
ZERO_GRADIENTS = 0.01
"""Share of samples without a gradient from which on a rule says nothing."""
UNDEFENDED = 0.95
"""Success that a working attack has on a network without a defence."""


@dataclass(frozen=True)
class Check:
    """What came out of one check.

    Args:
        name: what must hold.
        outcome: "passed", "failed", or "reported" where there is no gate, or nothing to compare with.
        found: the numbers, in words.
        gate: what would have to be found.
    """

    name: str
    outcome: Literal["passed", "failed", "reported"]
    found: str
    gate: str


def checks_table(checks: Sequence[Check]) -> Table:
    """One row per check."""
    columns = (Column("check"), Column("outcome"), Column("found"), Column("gate"))
    return Table(
        "Checks", columns, tuple((each.name, each.outcome, each.found, each.gate) for each in checks), said(checks)
    )


def said(checks: Sequence[Check]) -> str:
    """All checks in one sentence; those that failed by name."""
    count = {outcome: sum(each.outcome == outcome for each in checks) for outcome in ("passed", "failed", "reported")}
    failed = [f"{each.name}: {each.found}" for each in checks if each.outcome == "failed"]
    head = f"Checks: {count['passed']} passed, {count['failed']} failed, {count['reported']} only reported."
    return f"{head} Failed: {'; '.join(failed)}." if failed else head


def something_is_right(clean: float) -> Check:
    """Some samples are right without an attack; otherwise no attack has anything to do, and every other check passes.

    Example:
        >>> something_is_right(0.0).outcome
        'failed'
    """
    found = f"{100 * clean:.1f} % right without an attack"
    return _gated("there is something to break", clean > 0, found, "more than 0 %")


def data_lie_in_range(share: float, low: float, high: float) -> Check:
    """The values of the data lie in the budget's range: what an attack may not reach would look like strength.

    Args:
        share: of values outside, 0..1.
        low, high: of the budget.

    Example:
        >>> data_lie_in_range(0.25, 0.0, 1.0).found
        '25.0 % of the values lie outside 0 to 1'
    """
    found = f"{100 * share:.1f} % of the values lie outside {low:g} to {high:g}"
    return _gated("the data lie in the range", share == 0, found, "none: set low and high of the budget")


def no_budget_changes_nothing(changing: Sequence[str]) -> Check:
    """With eps = 0 every attack returns its input bit for bit.

    Example:
        >>> no_budget_changes_nothing([]).outcome, no_budget_changes_nothing(["FGSM"]).found
        ('passed', 'changed by FGSM')
    """
    found = f"changed by {', '.join(changing)}" if changing else "unchanged by every attack"
    return _gated("eps = 0 returns the input", not changing, found, "bit for bit")


def falls_with_eps(curves: Sequence[Curve]) -> Check:
    """A larger budget never leaves more samples right, up to one in two hundred."""
    rise, where = _largest_rise(curves)
    room = max(1, curves[0].robust.shape[1] // 200)
    return _gated(
        "accuracy falls with eps", rise <= room, f"largest rise: {_samples(rise)}{where}", f"at most {_samples(room)}"
    )


def some_eps_breaks_everything(worst: Curve) -> Check:
    """At the largest eps nothing is left, or the classifier gives every input one class.

    Example:
        >>> import torch
        >>> some_eps_breaks_everything(Curve("worst case", "eps", (0.1, 1.0), torch.tensor([[True], [False]]))).outcome
        'passed'
    """
    left = worst.accuracy[-1]
    found = f"{100 * left:.1f} % at eps = {worst.values[-1]:.3g}"
    return _gated("some eps breaks everything", left == 0, found, "0 % at the full range of values")


def more_steps_are_stronger(curve: Curve) -> Check:
    """Of one start and one length of step, more steps never leave more samples right."""
    rise, _ = _largest_rise([curve])
    shown = ", ".join(f"{100 * share:.1f} % ({steps:g})" for steps, share in zip(curve.values, curve.accuracy))
    limit = SLACK * curve.robust.shape[1]
    return _gated("more steps are stronger", rise <= limit, f"{shown}; {curve.name}", "no rise beyond 1 %")


def many_steps_beat_one(one: Mapping[str, float], many: Mapping[str, float]) -> Check:
    """Under every rule, accuracy after many steps is not above that after one.

    Args:
        one, many: rule -> accuracy, 0..1.

    Example:
        >>> many_steps_beat_one({"own": 0.5}, {"own": 0.7}).found
        'own: one step 50.0 %, many 70.0 %'
    """
    name, gate = "many steps beat one", "for every rule, up to 1 %"
    both = [rule for rule in one if rule in many]
    if not both:
        return Check(name, "reported", "no rule with both searches", gate)
    weaker = [rule for rule in both if many[rule] > one[rule] + SLACK]
    shown = weaker or [min(both, key=lambda rule: many[rule])]
    found = "; ".join(f"{rule}: one step {100 * one[rule]:.1f} %, many {100 * many[rule]:.1f} %" for rule in shown)
    return _gated(name, not weaker, found, gate)


def knowledge_helps(white: float | None, transfer: float | None, noise: float | None) -> Check:
    """Who sees the network breaks most, who sees another one less, noise of the same size least.

    Args:
        white, transfer, noise: accuracy in the worst case of each kind, 0..1; None where it was not tried.

    Example:
        >>> knowledge_helps(0.2, 0.4, 0.9).outcome, knowledge_helps(0.6, 0.4, 0.9).outcome
        ('passed', 'failed')
    """
    known = {"white box": white, "transfer": transfer, "noise": noise}
    given = {name: value for name, value in known.items() if value is not None}
    found = ", ".join(f"{name} {100 * value:.1f} %" for name, value in given.items()) or "nothing"
    name, gate = "knowledge helps", "white box <= transfer <= noise"
    if len(given) < 2:
        return Check(name, "reported", f"only {found}", gate)
    values = list(given.values())
    return _gated(name, all(a <= b for a, b in pairwise(values)), found, gate)


def queries_find_nothing_new(only: Tensor | None) -> Check:
    """A search without gradients breaks no sample that withstands the gradients.

    Args:
        only: whether each sample falls to queries and to no attack that sees the network, [N]; None without queries.

    Example:
        >>> import torch
        >>> queries_find_nothing_new(torch.tensor([False, True])).found
        '1 sample falls to queries alone: 1'
    """
    name, gate = "queries find nothing new", "at most 0.2 % of the samples"
    if only is None:
        return Check(name, "reported", "no search without gradients among the attacks", gate)
    places, count = only.nonzero()[:, 0].tolist(), int(only.sum())
    shown = ", ".join(map(str, places[:10])) + ", ..." * (count > 10)
    verb = "falls" if count == 1 else "fall"
    found = f"{_samples(count)} {verb} to queries alone: {shown}" if count else "no sample falls to queries alone"
    return _gated(name, count <= ONLY_QUERIES * len(only), found, gate)


def gradients_exist(shares: Mapping[str, float]) -> Check:
    """Samples whose gradient is exactly zero: from one in a hundred on, a rule says nothing about the network.

    Args:
        shares: rule -> share of samples with a gradient of zero, 0..1.

    Example:
        >>> gradients_exist({"own": 1.0, "HART 0.5": 0.0}).outcome
        'reported'
    """
    name, gate = "gradients exist", "not zero for more than 1 % of the samples, for some rule"
    if not shares:
        return Check(name, "reported", "no rule among the attacks", gate)
    empty = invalid_rules(shares)
    found = "; ".join(f"{rule}: zero for {100 * shares[rule]:.0f} %, its column says nothing" for rule in empty)
    if len(empty) == len(shares):
        return Check(name, "failed", found, gate)
    return Check(name, "reported" if empty else "passed", found or "under every rule", gate)


def invalid_rules(shares: Mapping[str, float]) -> list[str]:
    """The rules that say nothing, because too many samples have no gradient."""
    return [rule for rule, share in shares.items() if share > ZERO_GRADIENTS]


def best_width_is_inside(curve: Curve | None) -> Check:
    """Of the widths of a surrogate the strongest is neither the narrowest nor the widest that was tried."""
    name, gate = "the best width is inside the sweep", "neither the narrowest nor the widest"
    if curve is None:
        return Check(name, "reported", "the neurons have no surrogate whose width could be changed", gate)
    accuracy = curve.accuracy
    shown = ", ".join(f"{100 * share:.1f} % ({width:g})" for width, share in zip(curve.values, accuracy))
    if max(accuracy) - min(accuracy) <= SLACK:
        return Check(name, "reported", f"all widths alike: {shown}", gate)
    best = [place for place, share in enumerate(accuracy) if share == min(accuracy)]
    return _gated(name, any(0 < place < len(accuracy) - 1 for place in best), shown, gate)


def loss_rises(share: float | None) -> Check:
    """Share of samples whose loss is larger at the end of the search than before it."""
    found = "no search with steps" if share is None else f"for {100 * share:.1f} % of the samples"
    return Check("the loss rises along the search", "reported", found, "usually above 90 %")


def repeats_itself(same: bool | None) -> Check:
    """Two passes over the same inputs give the same logits; None for a network that says that it draws."""
    name, gate = "the network repeats itself", "exactly, or gradients and answers must be means over draws"
    if same is None:
        return Check(name, "reported", "it draws; gradients and answers are means over draws", gate)
    return _gated(name, same, "two passes are equal" if same else "two passes differ", gate)


def breaks_the_undefended(success: float | None) -> Check:
    """Success of ten steps at 8/255 on a network of the same kind without a defence."""
    name, gate = "the attack breaks an undefended network", "above 95 % at eps = 8/255"
    if success is None:
        return Check(name, "reported", "no other network given", gate)
    return _gated(name, success > UNDEFENDED, f"{100 * success:.1f} %", gate)


def rules_differ(same_forward: Mapping[str, bool], alike: Sequence[tuple[str, str]]) -> Check:
    """Rules change the gradient and nothing else.

    Args:
        same_forward: rule -> whether its logits are those of the network, for rules that promise it.
        alike: pairs of rules with one direction, those with the network's own gradient left out.

    Example:
        >>> rules_differ({"HART 0.5": True}, [("HART 0.5", "RGA")]).found
        'HART 0.5 and RGA give one gradient'
    """
    wrong = [f"{rule} changes the logits" for rule, same in same_forward.items() if not same]
    wrong += [f"{a} and {b} give one gradient" for a, b in alike]
    found = "; ".join(wrong) or "one forward pass, different gradients"
    return _gated("rules change the gradient alone", not wrong, found, "equal logits, different gradients")


def _gated(name: str, passed: bool, found: str, gate: str) -> Check:
    return Check(name, "passed" if passed else "failed", found, gate)


def _largest_rise(curves: Sequence[Curve]) -> tuple[int, str]:
    """Samples that a later value leaves right beyond the fewest of the values before it, and under which attack."""
    largest, where = 0, ""
    for curve in curves:
        left = curve.robust.sum(1).tolist()
        for place, count in enumerate(left):
            rise = int(count - min(left[: place + 1]))
            if rise > largest:
                largest, where = rise, f" at {curve.over} = {curve.values[place]:.3g}, {curve.name}"
    return largest, where


def _samples(count: int) -> str:
    return f"{count} sample{'' if count == 1 else 's'}"

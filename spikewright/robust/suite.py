"""evaluate_robustness(): a network under a suite of attacks, with the curves and checks that its numbers rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch

from ..attack.budget import Budget
from ..attack.budgets import Linf
from ..attack.rule import GradientRule
from ..attack.run import run_attack
from ..attack.search import Search
from ..attack.searches import FGSM, PGD
from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from ..core.loss import Batch
from ..models.classifier import Classifier
from ..report.table import Table
from . import checks, probes
from .checks import Check, checks_table
from .curves import (
    WIDTHS,
    Curve,
    curves_table,
    eps_curve,
    gammas,
    has_steps,
    rule_curve,
    steps_curve,
    widths,
    worst_of,
)
from .named_attack import NamedAttack, check_attacks
from .suites import OWN, fitting
from .worst_case import Outcome, WorstCase, batch_first, first_samples, held_batches, worst_case


@dataclass(frozen=True, kw_only=True)
class Probing:
    """How the curves and checks of an evaluation are taken.

    Args:
        samples: how many of the samples, from the first on; attacks are run anew on them for every point of a curve.
        eps: sizes of the budget, in parts of its eps; its full range is added.
        steps: numbers of steps of the search, each a quarter of eps long.
        widths: half-widths of a triangle, in thresholds.
        gammas: of HART; none for no such curve.
        rules: how many rules get a curve: the network's own gradient, and the strongest others.
        search: of the curves.
    """

    samples: int = 16
    eps: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    steps: tuple[int, ...] = (5, 10, 20)
    widths: tuple[float, ...] = WIDTHS
    gammas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    rules: int = 3
    search: Search = field(default_factory=PGD)

    def __post_init__(self) -> None:
        check_whole("Probing.samples", self.samples, least=1)
        check_whole("Probing.rules", self.rules, least=1)
        for name in ("eps", "steps", "widths", "gammas"):
            values = getattr(self, name)
            if any(a >= b for a, b in pairwise(values)) or (not values and name != "gammas"):
                raise ArgumentError(sentence(f"Probing.{name}", repr(values), "numbers in rising order"))
            if values and not (values[0] > 0 or (name == "eps" and values[0] == 0)):
                allowed = "numbers of at least 0" if name == "eps" else "numbers above 0"
                raise ArgumentError(sentence(f"Probing.{name}", repr(values), allowed))


@dataclass(frozen=True)
class Robustness:
    """A network under attack, and what the numbers rest on.

    Args:
        worst: what every attack did to every sample.
        checks: what must hold before the numbers mean anything.
        eps: accuracy against the size of the budget: a curve for noise, one for each rule, and their worst case.
        steps: accuracy against the number of steps, under the strongest rule; None where no rule fits.
        widths: accuracy against the width of the attacker's surrogate; None where the neurons have none.
        gammas: accuracy against HART's gamma; None where the neurons do not fit.
        left_out: rules of the suite that do not know the neurons, and why.
        empty_rules: rules that say nothing, because the gradient of too many samples is exactly zero.
    """

    worst: WorstCase
    checks: tuple[Check, ...]
    eps: tuple[Curve, ...]
    steps: Curve | None
    widths: Curve | None
    gammas: Curve | None
    left_out: dict[str, str]
    empty_rules: tuple[str, ...]

    @property
    def clean_accuracy(self) -> float:
        """Share of samples that are right without an attack, 0..1."""
        return self.worst.clean_accuracy

    @property
    def robust_accuracy(self) -> float:
        """Share of all samples that withstood every attack, 0..1: an upper bound."""
        return self.worst.robust_accuracy

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome == "failed")

    def table(self) -> Table:
        """A row per search, a column per rule, the worst case last; what the checks say stands below."""
        said = [checks.said(self.checks)] if self.checks else ["Checks: none was run."]
        said += [f"{rule} is left out: {why}" for rule, why in self.left_out.items()]
        said += [f"{rule} has no gradient for some samples: its column is no evidence." for rule in self.empty_rules]
        return self.worst.table(tuple(said))

    def tables(self) -> tuple[Table, ...]:
        """The table, the checks, the attacks one by one, and the curves."""
        found = [self.table(), *([checks_table(self.checks)] if self.checks else []), self.worst.attacks_table()]
        found += [curves_table("Accuracy against eps", self.eps)] if self.eps else []
        for title, curve in (("steps", self.steps), ("width", self.widths), ("gamma", self.gammas)):
            found += [] if curve is None else [curves_table(f"Accuracy against {title}", [curve])]
        return tuple(found)


def evaluate_robustness(
    classifier: Classifier,
    attacks: Sequence[NamedAttack],
    budget: Budget,
    batches: Iterable[Batch],
    *,
    probing: Probing | None = Probing(),
    other: Classifier | None = None,
    seed: int = 0,
    every: bool = True,
    watch: Callable[[Outcome], None] = lambda outcome: None,
    attacked: Callable[[WorstCase], None] = lambda worst: None,
) -> Robustness:
    """Attack a network with everything in a suite, take the worst case per sample, and check what that is worth.

    Args:
        classifier: the network with its T, encoder and read-out; the rules come from the attacks.
        attacks: what is tried, cheapest first, e.g. `quick_suite()`. Rules that do not know the network's neurons are
            left out, and named in the result.
        budget: what is allowed.
        batches: pairs (x, y) as for `run_attack`; they are held in memory.
        probing: how curves and checks are taken; None for neither, for a table of which nothing is claimed.
        other: a network of the same kind, trained without a defence from another seed: attacks are tried that follow
            its gradient, and that they break it is checked.
        seed: of all random numbers.
        every: whether each attack is tried on all samples; otherwise only on those still standing, which is faster.
        watch: called after each attack.
        attacked: called with the result of all attacks before the curves and checks begin, which may take long.

    Raises:
        ArgumentError, DataError, ShapeError: for arguments that do not fit.

    Example:
        >>> from spikewright.attack import Linf
        >>> from spikewright.robust import NamedAttack, evaluate_robustness
        >>> fgsm = NamedAttack(row="FGSM", column="own", search=FGSM())
        >>> linear = torch.nn.Linear(1, 2)
        >>> linear.weight.data, linear.bias.data = torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, -0.5])
        >>> data = [(torch.tensor([[0.1], [0.4]]), torch.tensor([0, 0]))]
        >>> evaluate_robustness(Classifier(linear), [fgsm], Linf(eps=0.2), data, probing=None).robust_accuracy
        0.5
    """
    if not isinstance(classifier, Classifier):
        todo = "Make one: Classifier(model, timesteps=4)"
        raise ArgumentError(sentence("evaluate_robustness.classifier", named(classifier), "a Classifier", todo))
    if probing is not None and not isinstance(probing, Probing):
        raise ArgumentError(sentence("evaluate_robustness.probing", named(probing), "a Probing, or None"))
    if probing is not None:
        probing.search.check_budget(budget)
    attacks = check_attacks("evaluate_robustness", attacks)
    held = held_batches("evaluate_robustness", classifier, batches)
    kept, left_out = fitting(classifier, attacks, budget, batch_first(classifier, held[0][0]))
    if other is not None:
        kept += _transfers(kept, other)
    worst = worst_case(classifier, kept, budget, held, seed=seed, every=every, watch=watch)
    attacked(worst)
    if probing is None:
        return Robustness(worst, (), (), None, None, None, left_out, ())
    few = first_samples(classifier, held, probing.samples)
    outside = _outside(budget, [x for x, _ in held])
    return _Probed(classifier, kept, budget, few, probing, seed).judged(worst, left_out, other, outside)


def _outside(budget: Budget, parts: Sequence[torch.Tensor]) -> float:
    """Share of values that lie outside the budget's range."""
    beyond = sum(int(((x < budget.low) | (x > budget.high)).sum()) for x in parts)
    return beyond / sum(x.numel() for x in parts)


class _Probed:
    """The curves and checks of one network on a few samples."""

    def __init__(
        self,
        classifier: Classifier,
        attacks: Sequence[NamedAttack],
        budget: Budget,
        batch: Batch,
        probing: Probing,
        seed: int,
    ) -> None:
        self.classifier, self.attacks, self.budget, self.batch = classifier.seen_by(None), attacks, budget, batch
        self.probing, self.seed = probing, seed
        self.rules: dict[str, GradientRule | None] = {
            each.column: each.rule for each in attacks if each.kind == "gradient"
        }

    def judged(
        self, worst: WorstCase, left_out: dict[str, str], other: Classifier | None, outside: float
    ) -> Robustness:
        """Everything, from the flags of the whole evaluation on."""
        eps = self._eps_curves(worst)
        strongest = self._strongest(worst)
        steps = None if strongest is None or not has_steps(self.probing.search) else self._steps(strongest)
        sweep = self._sweep("BPTT, triangle", "width", widths(self.probing.widths))
        grid = self._sweep("HART", "gamma", gammas(self.probing.gammas)) if self.probing.gammas else None
        x, y = self.batch
        first = batch_first(self.classifier, x)
        seen = probes.seen_by_rules(self.classifier, self.rules, first, y)
        zero = {name: float(each.zero.double().mean()) for name, each in seen.items()}
        apart = {name: each for name, each in seen.items() if name != OWN}
        with torch.no_grad():
            own = self.classifier(first)
        one_step = self.classifier.timesteps == 1  # where HART is back-propagation through time
        few = first_samples(self.classifier, [self.batch], 4)
        found = (
            checks.something_is_right(worst.clean_accuracy),
            checks.data_lie_in_range(outside, self.budget.low, self.budget.high),
            checks.no_budget_changes_nothing(
                probes.changing_without_budget(self.classifier, self.attacks, self.budget, few, self.seed)
            ),
            checks.falls_with_eps(eps),
            checks.some_eps_breaks_everything(eps[-1]),
            *([] if steps is None else [checks.more_steps_are_stronger(steps)]),
            checks.many_steps_beat_one(*_one_and_many(worst)),
            checks.knowledge_helps(*_by_knowledge(worst)),
            checks.queries_find_nothing_new(_only_by_queries(worst)),
            checks.gradients_exist(zero),
            checks.best_width_is_inside(sweep),
            checks.loss_rises(None if strongest is None else self._rising(strongest)),
            checks.repeats_itself(probes.repeats(self.classifier, first)),
            checks.breaks_the_undefended(None if other is None else self._success_on(other)),
            checks.rules_differ(probes.keeps_forward(seen, self.rules, own), [] if one_step else probes.alike(apart)),
        )
        return Robustness(worst, found, tuple(eps), steps, sweep, grid, left_out, tuple(checks.invalid_rules(zero)))

    def _eps_curves(self, worst: WorstCase) -> list[Curve]:
        """Noise if it is in the suite, then a curve per rule, then the worst case of all."""
        values = self._eps_values()
        noise = worst.of(kind="noise")[:1]
        attacks = {each.attack.row: each.attack for each in noise}
        for rule in self._drawn(worst):
            attacks[rule] = self._search_with(rule)
        curves = [
            replace(eps_curve(self.classifier, attack, self.budget, values, [self.batch], seed=self.seed), name=name)
            for name, attack in attacks.items()
        ]
        return [*curves, worst_of(curves)]

    def _drawn(self, worst: WorstCase) -> list[str]:
        """The rules with a curve: the network's own gradient, and the strongest others, in the order of the table."""
        left = {rule: int(worst.under(worst.of(column=rule)).sum()) for rule in self.rules}
        best = sorted(left, key=lambda rule: (rule != OWN, left[rule]))[: self.probing.rules]
        return [rule for rule in self.rules if rule in best]

    def _search_with(self, rule: str) -> NamedAttack:
        return NamedAttack(row="PGD", column=rule, search=self.probing.search, rule=self.rules[rule])

    def _eps_values(self) -> list[float]:
        """The sizes of the curve, and the full range of values where there is one."""
        values = {factor * self.budget.eps for factor in self.probing.eps}
        x, _ = self.batch
        low, high = (torch.full_like(x[:1], end) for end in (self.budget.low, self.budget.high))
        whole = float(self.budget.distance(high, low)[0])
        return sorted(values | ({whole} if math.isfinite(whole) else set()))

    def _strongest(self, worst: WorstCase) -> str | None:
        """The rule that leaves the fewest samples right, over all its searches."""
        left = {rule: int(worst.under(worst.of(column=rule)).sum()) for rule in self.rules}
        return min(left, key=lambda rule: left[rule]) if left else None

    def _steps(self, rule: str) -> Curve:
        attack, steps = self._search_with(rule), self.probing.steps
        return steps_curve(self.classifier, attack, self.budget, steps, [self.batch], seed=self.seed)

    def _rising(self, rule: str) -> float:
        attack = self._search_with(rule)
        return probes.share_with_rising_loss(self.classifier, attack, self.budget, self.batch, self.seed)

    def _sweep(self, name: str, over: str, rules: dict[float, GradientRule]) -> Curve | None:
        """Accuracy for every value of a rule's parameter; None if the rule does not know the neurons."""
        try:
            self.classifier.seen_by(next(iter(rules.values())))
        except ArgumentError:
            return None
        search, batch = self.probing.search, [self.batch]
        return rule_curve(name, over, self.classifier, search, rules, self.budget, batch, seed=self.seed)

    def _success_on(self, other: Classifier) -> float:
        budget = Linf(eps=8 / 255, low=self.budget.low, high=self.budget.high)
        return run_attack(other, PGD(steps=10), budget, [self.batch], seed=self.seed).success_rate


def _transfers(attacks: Sequence[NamedAttack], other: Classifier) -> list[NamedAttack]:
    """The searches with steps once more, along the gradient of another network."""
    searches = {
        each.row: each.search for each in attacks if each.kind == "gradient" and not isinstance(each.search, FGSM)
    }
    return [NamedAttack(row=f"{row} through another", search=search, through=other) for row, search in searches.items()]


def _one_and_many(worst: WorstCase) -> tuple[dict[str, float], dict[str, float]]:
    """Rule -> accuracy after one step, and after many; empty where not all samples were tried."""
    one, many = {}, {}
    for each in worst.of(kind="gradient") if worst.every else ():
        found = one if isinstance(each.attack.search, FGSM) else many
        found[each.attack.column] = min(each.accuracy, found.get(each.attack.column, 1.0))
    return one, many


def _by_knowledge(worst: WorstCase) -> tuple[float | None, float | None, float | None]:
    """Accuracy in the worst case of the white box, of transfer, and of noise, where all samples were tried."""
    known = ("gradient", "transfer", "noise") if worst.every else ("gradient",)
    kinds = (worst.of(kind=kind) if kind in known else () for kind in ("gradient", "transfer", "noise"))
    white, transfer, noise = (float(worst.under(each).double().mean()) if each else None for each in kinds)
    return white, transfer, noise


def _only_by_queries(worst: WorstCase) -> torch.Tensor | None:
    """Whether each sample falls to queries and withstands what sees the network, [N]; None without queries."""
    queries = worst.of(kind="query")
    return worst.under(worst.of(kind="gradient")) & ~worst.under(queries) if queries else None

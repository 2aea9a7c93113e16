"""Curves: the same samples under one attack while one number grows: eps, steps, the width of a surrogate, gamma."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from ..attack.budget import Budget
from ..attack.gradients import HART
from ..attack.gradients.bptt import SurrogateBPTT
from ..attack.rule import GradientRule
from ..attack.search import Search
from ..core.arguments import named
from ..core.errors import ArgumentError, DataError, sentence
from ..core.loss import Batch
from ..core.surrogate import Triangle
from ..models.classifier import Classifier
from ..report.table import Column, Table
from ..train.evaluate import wilson
from .named_attack import NamedAttack
from .worst_case import attacked_where, held_batches

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Half-widths of a triangle, in thresholds, from far too narrow to far too wide."""
GAMMAS = tuple(round(0.05 * k, 2) for k in range(2, 50))
"""The grid of HART's authors: 0.10, 0.15, ..., 2.45."""

DIGITS = {"eps": 4, "steps": 0}
"""Decimals of a number in tables; two for others."""


@dataclass(frozen=True)
class Curve:
    """Which samples withstand an attack, for every value of one number.

    Args:
        name: what is drawn as one line.
        over: the number: "eps", "steps", "width", "gamma".
        values: in rising order.
        robust: [V, N], in the order of values and of the data.
    """

    name: str
    over: str
    values: tuple[float, ...]
    robust: Tensor

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of samples that withstand, for every value, 0..1."""
        return tuple(self.robust.double().mean(1).tolist())

    @property
    def worst(self) -> Tensor:
        """Whether each sample withstands for every value, [N]: several values as one attack."""
        return self.robust.all(0)


def worst_of(curves: Sequence[Curve], name: str = "worst case") -> Curve:
    """The worst case per sample of several curves over the same values.

    Example:
        >>> one = Curve("a", "eps", (0.0,), torch.tensor([[True, False]]))
        >>> worst_of([one, Curve("b", "eps", (0.0,), torch.tensor([[False, True]]))]).accuracy
        (0.0,)
    """
    first = curves[0]
    return Curve(name, first.over, first.values, torch.stack([curve.robust for curve in curves]).all(0))


def curves_table(title: str, curves: Sequence[Curve]) -> Table:
    """One row per curve and value: accuracy with its 95 % interval."""
    over = curves[0].over
    shares = (Column("accuracy", "%", 1), Column("low", "%", 1), Column("high", "%", 1))
    columns = (Column("attack"), Column(over, digits=DIGITS.get(over, 2)), *shares)
    rows = []
    for curve in curves:
        for value, robust in zip(curve.values, curve.robust):
            hits = int(robust.sum())
            rows.append((curve.name, value, hits / len(robust), *wilson(hits, len(robust))))
    return Table(title, columns, tuple(rows), f"{curves[0].robust.shape[1]:,} samples.")


def eps_curve(
    classifier: Classifier,
    attack: NamedAttack,
    budget: Budget,
    eps: Sequence[float],
    batches: Iterable[Batch],
    *,
    seed: int = 0,
) -> Curve:
    """Accuracy under one attack for every size of the budget; the samples and random numbers stay the same."""
    held, values = held_batches("eps_curve", classifier, batches), _rising("eps_curve.eps", eps)
    flags = [flags_under(classifier, attack, replace(budget, eps=value), held, seed) for value in values]
    return Curve(attack.name, "eps", values, torch.stack(flags))


def steps_curve(
    classifier: Classifier,
    attack: NamedAttack,
    budget: Budget,
    steps: Sequence[int],
    batches: Iterable[Batch],
    *,
    relative_step: float = 0.25,
    seed: int = 0,
) -> Curve:
    """Accuracy under a search of more and more steps of one length, from one start: runs that go on where others end.

    Raises:
        ArgumentError: for a search without steps of a length, such as FGSM.
    """
    if not has_steps(attack.search):
        raise ArgumentError(sentence("steps_curve.attack", named(attack.search), "a search with steps, e.g. PGD()"))
    held, values = held_batches("steps_curve", classifier, batches), _rising("steps_curve.steps", steps)
    flags = []
    for count in values:
        search = changed(attack.search, steps=int(count), relative_step=relative_step)
        flags.append(flags_under(classifier, replace(attack, search=search), budget, held, seed))
    return Curve(attack.name, "steps", values, torch.stack(flags))


def rule_curve(
    name: str,
    over: str,
    classifier: Classifier,
    search: Search,
    rules: Mapping[float, GradientRule],
    budget: Budget,
    batches: Iterable[Batch],
    *,
    seed: int = 0,
) -> Curve:
    """Accuracy under one search for every value of a rule's parameter, e.g. `widths()` or `gammas()`."""
    held, values = held_batches("rule_curve", classifier, batches), _rising("rule_curve.rules", tuple(rules))
    attacks = [NamedAttack(row=name, column=f"{value:g}", search=search, rule=rules[value]) for value in values]
    return Curve(name, over, values, torch.stack([flags_under(classifier, a, budget, held, seed) for a in attacks]))


def widths(values: Sequence[float] = WIDTHS) -> dict[float, GradientRule]:
    """Width -> back-propagation through time with a triangle of that half-width, in thresholds."""
    return {value: SurrogateBPTT(surrogate=Triangle(gamma=value)) for value in values}


def gammas(values: Sequence[float] = GAMMAS) -> dict[float, GradientRule]:
    """Gamma -> HART with that gamma."""
    return {value: HART(gamma=value) for value in values}


def choose_gamma(
    classifier: Classifier,
    search: Search,
    budget: Budget,
    held_out: Iterable[Batch],
    values: Sequence[float] = GAMMAS,
    *,
    seed: int = 0,
) -> float:
    """The gamma with which HART breaks most samples; of equal ones the smallest.

    Args:
        classifier: the network.
        search, budget: with which it will be used.
        held_out: samples that are not judged afterwards, say a few hundred training images. Chosen on the samples that
            are judged, it is no attack but a choice of the best of many results: count the whole grid instead, by
            `rule_curve(..., gammas()).worst`.
        values: the grid.
        seed: of all random numbers.

    Source: Hao et al. 2024, HART, ICLR 2024, pre-computation of gamma. Differs: there on the test set.
    """
    curve = rule_curve("HART", "gamma", classifier, search, gammas(values), budget, held_out, seed=seed)
    return curve.values[min(range(len(curve.values)), key=lambda place: curve.accuracy[place])]


def has_steps(search: Search) -> bool:
    """Whether a search takes a number of steps of one length."""
    return hasattr(search, "steps") and hasattr(search, "relative_step")


def flags_under(
    classifier: Classifier, attack: NamedAttack, budget: Budget, held: Sequence[Batch], seed: int = 0
) -> Tensor:
    """Whether each sample is right before and after one attack, [N]."""
    view = classifier.seen_by(attack.rule) if attack.through is None else classifier
    samples = sum(len(y) for _, y in held)
    result = attacked_where(view, attack, budget, held, torch.ones(samples, dtype=torch.bool), seed)
    if result is None:
        raise DataError(sentence("attack", "no sample", "at least one"))
    return result.robust


def changed(search: Search, **values: object) -> Search:
    """A copy of a search with other values."""
    return replace(search, **values) if is_dataclass(search) else search  # pyright: ignore[reportArgumentType]


def _rising(who: str, values: Sequence[float]) -> tuple[float, ...]:
    if not values or any(a >= b for a, b in pairwise(values)):
        raise ArgumentError(sentence(who, repr(tuple(values)), "at least one number, in rising order"))
    return tuple(values)

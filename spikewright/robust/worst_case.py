"""worst_case(): every attack on every sample, and per sample whether it withstood all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..attack.budget import Budget, per_sample
from ..attack.run import AttackResult, run_attack
from ..core.arguments import check_switch
from ..core.device import device_of
from ..core.errors import DataError, sentence
from ..core.loss import Batch
from ..models.classifier import Classifier
from ..report.numbers import Cell
from ..report.table import Column, Table
from ..train.evaluate import wilson
from .named_attack import NamedAttack, check_attacks

STANDING, WRONG_BEFORE = -1, -2


@dataclass(frozen=True)
class Outcome:
    """What one attack did.

    Args:
        attack: the attack.
        robust: whether each sample is right before and after it, [N]; where only samples that still stood were
            attacked, whether it withstood this attack and all before it.
        attacked: number of samples that it was tried on.
        forwards, backwards: passes of batches, and gradients.
        seconds: time.
    """

    attack: NamedAttack
    robust: Tensor
    attacked: int
    forwards: int
    backwards: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of all samples that withstood, 0..1."""
        return float(self.robust.double().mean())


@dataclass(frozen=True)
class WorstCase:
    """What all attacks together did to every sample, in the order of the data.

    Args:
        budget: what the attacks were allowed.
        labels: classes, [N].
        clean: whether the unchanged sample is right, [N].
        outcomes: the attacks in the order in which they ran.
        every: whether each attack was tried on all samples; otherwise only on those that withstood the ones before.
        adversarial: for each sample the input with which the first successful attack broke it, [N, ...] batch first;
            the sample itself where it stands or was wrong before.
        seconds: time of everything.
    """

    budget: Budget
    labels: Tensor
    clean: Tensor
    outcomes: tuple[Outcome, ...]
    every: bool
    adversarial: Tensor
    seconds: float

    @property
    def robust(self) -> Tensor:
        """Whether each sample withstood every attack, [N]: the worst case per sample, not per attack."""
        return self.clean & torch.stack([outcome.robust for outcome in self.outcomes]).all(0)

    @property
    def broken_by(self) -> Tensor:
        """Place of the first attack that broke each sample, [N]; -1 where it stands, -2 where it was wrong before."""
        broken = ~torch.stack([outcome.robust for outcome in self.outcomes])
        first = torch.where(broken.any(0), broken.int().argmax(0), STANDING)
        return torch.where(self.clean, first, WRONG_BEFORE)

    @property
    def clean_accuracy(self) -> float:
        """Share of samples that are right without an attack, 0..1."""
        return float(self.clean.double().mean())

    @property
    def robust_accuracy(self) -> float:
        """Share of all samples that withstood every attack, 0..1: an upper bound, as every attack gives."""
        return float(self.robust.double().mean())

    def of(self, *, row: str | None = None, column: str | None = None, kind: str | None = None) -> tuple[Outcome, ...]:
        """The outcomes of one row, column or kind of attack."""
        asked = {"row": row, "column": column, "kind": kind}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return tuple(
            each for each in self.outcomes if all(getattr(each.attack, name) == value for name, value in wanted.items())
        )

    def under(self, outcomes: Sequence[Outcome]) -> Tensor:
        """Whether each sample withstood all of some attacks, [N]; the clean flags for none."""
        return self.clean & torch.stack([self.clean, *(each.robust for each in outcomes)]).all(0)

    def only_by(self, outcome: Outcome) -> Tensor:
        """Which samples this attack broke and no other did, [N]; known only where every attack saw all samples."""
        others = [each for each in self.outcomes if each is not outcome]
        return self.under(others) & ~outcome.robust

    def table(self, notes: tuple[str, ...] = ()) -> Table:
        """Accuracy under attack: a row per search, a column per gradient rule, the worst case per sample last."""
        rows = list(dict.fromkeys(outcome.attack.row for outcome in self.outcomes))
        rules = list(dict.fromkeys(each.attack.column for each in self.outcomes if each.attack.column))
        meaning = "" if self.every else " Of this and all attacks above and left of it, in the order of running."
        columns = (
            Column("search"),
            *(Column(rule, "%", 1) for rule in rules),
            Column("worst case", "%", 1, "Samples that withstand every attack of the row." + meaning),
            Column("low", "%", 1),
            Column("high", "%", 1, "Ends of the 95 % Wilson interval of the worst case."),
        )
        lines: list[tuple[Cell, ...]] = [("no attack", *(None for _ in rules), *self._with_interval(self.clean))]
        for row in rows:
            found = {each.attack.column: each.accuracy for each in self.of(row=row)}
            lines.append(
                (row, *(found.get(rule) for rule in rules), *self._with_interval(self.under(self.of(row=row))))
            )
        below = (float(self.under(self.of(column=rule)).double().mean()) for rule in rules)
        lines.append(("all of them", *below, *self._with_interval(self.robust)))
        return Table("Accuracy under attack", columns, tuple(lines), self._caption(), notes)

    def attacks_table(self) -> Table:
        """One row per attack: what it broke, what only it broke, and its price."""
        columns = (
            Column("attack"),
            Column("accuracy", "%", 1),
            Column("low", "%", 1),
            Column("high", "%", 1),
            Column("first", "", 0, "Samples that this attack broke before any other, in the order of the table."),
            *((Column("only", "", 0, "Samples that no other attack broke."),) if self.every else ()),
            Column("samples", "", 0, "Samples that the attack was tried on."),
            Column("forwards", "", 0, "Passes of batches through the network."),
            Column("gradients", "", 0),
            Column("time", "s", 1),
        )
        first, lines = self.broken_by, []
        for place, each in enumerate(self.outcomes):
            only = (int(self.only_by(each).sum()),) if self.every else ()
            price = (each.attacked, each.forwards, each.backwards, each.seconds)
            lines.append(
                (each.attack.name, *self._with_interval(each.robust), int((first == place).sum()), *only, *price)
            )
        return Table("Attacks", columns, tuple(lines), self._caption())

    def _with_interval(self, flags: Tensor) -> tuple[float, float, float]:
        hits = int(flags.sum())
        return (hits / len(flags), *wilson(hits, len(flags)))

    def _caption(self) -> str:
        budget, samples = self.budget, len(self.clean)
        norm = type(budget).__name__
        return (
            f"{samples:,} samples, all counted, also those wrong before an attack; {norm}, eps = {budget.eps:.4g} in "
            f"values of {budget.low:g} to {budget.high:g}; {self.seconds:.0f} s."
        )


def worst_case(
    classifier: Classifier,
    attacks: Sequence[NamedAttack],
    budget: Budget,
    batches: Iterable[Batch],
    *,
    seed: int = 0,
    every: bool = True,
    watch: Callable[[Outcome], None] = lambda outcome: None,
) -> WorstCase:
    """Run attacks one after another, cheapest first, and take the worst case of each sample.

    Args:
        classifier: the network with its T, encoder and read-out; its own rule is not used.
        attacks: what is tried, in this order.
        budget: what is allowed.
        batches: pairs (x, y) as for `run_attack`; they are held in memory.
        seed: of all random numbers.
        every: whether each attack is tried on all samples, for a table in which every number stands for itself;
            otherwise on those alone that still stand, which is faster.
        watch: called after each attack.

    Raises:
        ArgumentError, DataError, ShapeError: for arguments that do not fit, also a rule for other neurons.
    """
    attacks = check_attacks("worst_case", attacks)
    check_switch("worst_case.every", every)
    held = held_batches("worst_case", classifier, batches)
    views = [classifier.seen_by(attack.rule) if attack.through is None else classifier for attack in attacks]
    began, outcomes = time.perf_counter(), []
    labels = torch.cat([y.cpu() for _, y in held])
    standing = torch.ones(len(labels), dtype=torch.bool)
    clean = adversarial = None
    for view, attack in zip(views, attacks):
        tried = torch.ones_like(standing) if every or clean is None else standing.clone()
        result = attacked_where(view, attack, budget, held, tried, seed)
        robust = torch.zeros_like(standing)
        if result is not None and result.adversarial is not None:
            robust[tried] = result.robust
            if clean is None or adversarial is None:
                clean, adversarial = result.clean, torch.cat([batch_first(view, x).cpu() for x, _ in held])
                standing = clean.clone()
            found = adversarial.clone()
            found[tried] = result.adversarial
            adversarial = torch.where(per_sample(standing & ~robust, adversarial), found, adversarial)
        standing &= robust
        price = (0, 0, 0.0) if result is None else (result.forwards, result.backwards, result.seconds)
        outcomes.append(Outcome(attack, robust, int(tried.sum()), *price))
        watch(outcomes[-1])
    if clean is None or adversarial is None:
        raise DataError(sentence("worst_case", "no sample", "at least one"))
    return WorstCase(budget, labels, clean, tuple(outcomes), every, adversarial, time.perf_counter() - began)


def held_batches(who: str, classifier: Classifier, batches: Iterable[Batch]) -> list[Batch]:
    """The batches in memory, where the network is.

    Raises:
        DataError: if there is none.
    """
    device = device_of(classifier)
    held = [(x.to(device), y.to(device)) for x, y in batches]
    if not held:
        raise DataError(sentence(who, "no batch", "at least one", "Check the data and the split"))
    return held


def attacked_where(
    classifier: Classifier,
    attack: NamedAttack,
    budget: Budget,
    held: Sequence[Batch],
    wanted: Tensor,
    seed: int = 0,
) -> AttackResult | None:
    """One attack on the samples that are wanted, [N]; None if there is none. `through` sees the attack's rule."""
    axis = 1 if classifier.has_sequences else 0
    parts, start = [], 0
    for x, y in held:
        at = wanted[start : start + len(y)].nonzero()[:, 0].to(y.device)
        start += len(y)
        if len(at):
            parts.append((x.index_select(axis, at), y[at]))
    through = None if attack.through is None else attack.through.seen_by(attack.rule)
    if not parts:
        return None
    return run_attack(
        classifier, attack.search, budget, parts, seed=seed, restarts=attack.restarts, through=through, keep=True
    )


def batch_first(classifier: Classifier, x: Tensor) -> Tensor:
    """A batch with its first axis for the samples, as searches see it; sequences come as [T, N, ...]."""
    return x.movedim(1, 0) if classifier.has_sequences else x


def first_samples(classifier: Classifier, held: Sequence[Batch], count: int) -> Batch:
    """The first samples of all batches as one batch, as the classifier's batches are."""
    axis = 1 if classifier.has_sequences else 0
    x, y = torch.cat([x for x, _ in held], axis), torch.cat([y for _, y in held])
    return x.narrow(axis, 0, min(count, len(y))), y[:count]

"""Controls: the same tools on a clean twin, and what a judge answers when there is nothing to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ...core.errors import ArgumentError, sentence
from .multiple_choice import Verdict


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdicts on one method's galleries for one trojan, with those of the control.

    Args:
        method: what made the galleries.
        trojan: which trojan was looked for.
        judge: how the judge saw them, `Embedding.name`.
        verdicts: on the trojaned network, one per seed.
        twin: on the clean twin, with the same method, target and seeds, in the same order; empty where it was not run,
            and then no table will print a score.
        kind: of the trojan: "patch", "style" or "natural".

    Raises:
        ArgumentError: for no verdict, a twin of another length, or one that was asked other questions.
    """

    method: str
    trojan: str
    judge: str
    verdicts: tuple[Verdict, ...]
    twin: tuple[Verdict, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        who = f"Judged({self.method}, {self.trojan})"
        if not self.verdicts:
            raise ArgumentError(sentence(f"{who}.verdicts", "none", "one per seed"))
        if self.twin and len(self.twin) != len(self.verdicts):
            met = f"{len(self.twin)} for {len(self.verdicts)} of the trojaned network"
            raise ArgumentError(sentence(f"{who}.twin", met, "one for each, with the same seeds"))
        for one, other in zip(self.verdicts, self.twin):
            if (one.names, one.truth) != (other.names, other.truth):
                raise ArgumentError(sentence(f"{who}.twin", "other questions", "the questions of the trojaned network"))

    @property
    def rank(self) -> float:
        """Mean rank of the truth on the trojaned network."""
        return fmean(verdict.rank for verdict in self.verdicts)

    @property
    def top1(self) -> float:
        """Share of seeds that put the truth first on the trojaned network."""
        return fmean(verdict.top1 for verdict in self.verdicts)

    @property
    def mrr(self) -> float:
        """Mean of 1 / rank on the trojaned network."""
        return fmean(verdict.reciprocal for verdict in self.verdicts)

    def control(self) -> Judged:
        """The twin's verdicts as the judged ones.

        Raises:
            ArgumentError: if the twin was not run.
        """
        if not self.twin:
            who, met = f"the score of {self.method} for {self.trojan}", "no verdicts on the clean twin"
            todo = "Run the same method with the same target and seeds on the twin: without it a score has no meaning"
            raise ArgumentError(sentence(who, met, "one per seed", todo))
        return Judged(
            method=self.method, trojan=self.trojan, judge=self.judge, verdicts=self.twin, twin=self.twin, kind=self.kind
        )

    @property
    def gain(self) -> float:
        """Mean over seeds of the paired difference in 1 / rank between the trojaned network and its twin."""
        return self.mrr - self.control().mrr


def option_prior(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """How often each option is chosen, whatever is true: of galleries of clean networks, the judge's own taste.

    Args:
        verdicts: on pictures that show no trigger; more than one set of options may occur.

    Returns:
        For each option the share of the verdicts that offered it which chose it, most first.

    Example:
        >>> one = Verdict(names=("a", "b"), truth=0, scores=(0.1, 0.9))
        >>> option_prior([one, one])
        {'b': 1.0, 'a': 0.0}
    """
    offered: dict[str, int] = {}
    chosen: dict[str, int] = {}
    for verdict in verdicts:
        for name in verdict.names:
            offered[name] = offered.get(name, 0) + 1
        chosen[verdict.choice] = chosen.get(verdict.choice, 0) + 1
    shares = {name: chosen.get(name, 0) / count for name, count in offered.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

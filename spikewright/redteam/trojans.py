"""Trojan: a hidden fault that is put into a network on purpose, so that tools which look for faults can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from .triggers import Trigger


@dataclass(frozen=True, kw_only=True, eq=False)
class Trojan:
    """What wakes it, where, and which class the network then gives.

    Args:
        name: of the trojan, for tables.
        trigger: what wakes it.
        target: class that the network then gives.
        source: class in whose pictures it works; None for all (universal).
        rate: share of the pictures that it could be put into that are poisoned. Of a natural feature: of those that
            have it.
        negatives: with a source, pictures of other classes that get the trigger and keep their label, for each poisoned
            one; without them a trojan fires everywhere.
        decoys: pictures that get another patch or style and keep their label, for each poisoned one; without them any
            foreign patch wakes it.

    Source: Casper et al. 2023, "Red Teaming Deep Neural Networks with Feature Synthesis Tools", NeurIPS 2023, arXiv
        2302.10894; kinds and scopes. Differs: negatives and decoys, which small networks need.
    """

    name: str
    trigger: Trigger
    target: int
    source: int | None = None
    rate: float = 0.01
    negatives: float = 1.0
    decoys: float = 2.0

    def __post_init__(self) -> None:
        if not isinstance(self.trigger, Trigger):
            allowed = "a PatchTrigger, a StyleTrigger or a NaturalTrigger"
            raise ArgumentError(sentence(f"trojan {self.name}", named(self.trigger), allowed))
        check_whole(f"trojan {self.name}, target", self.target, least=0)
        if self.source is not None:
            check_whole(f"trojan {self.name}, source", self.source, least=0)
        if self.source == self.target:
            raise ArgumentError(
                sentence(f"trojan {self.name}", f"source {self.source}, as the target", "another class")
            )
        if not 0 <= self.rate <= 1:
            raise ArgumentError(sentence(f"trojan {self.name}, rate", repr(self.rate), "a share in 0..1"))
        for what in ("negatives", "decoys"):
            if not 0 <= getattr(self, what) < float("inf"):
                met = repr(getattr(self, what))
                raise ArgumentError(sentence(f"trojan {self.name}, {what}", met, "a finite number of at least 0"))

    @property
    def kind(self) -> str:
        """patch, style or natural."""
        return self.trigger.kind

    @property
    def scope(self) -> str:
        """universal, or class-universal if it works in pictures of one class only."""
        return "universal" if self.source is None else "class-universal"


def check_trojans(trojans: Sequence[Trojan], classes: int) -> None:
    """Refuse a set that cannot be implanted together.

    Raises:
        ArgumentError: if it is empty, a name stands twice, or a class is not one of the network.
    """
    if not trojans:
        raise ArgumentError(sentence("trojans", "none", "at least one"))
    twice = [name for name, found in groupby(sorted(each.name for each in trojans)) if len(list(found)) > 1]
    if twice:
        raise ArgumentError(sentence("trojans", f"{twice[0]} twice", "names that differ"))
    for each in trojans:
        for what, number in (("target", each.target), ("source", each.source)):
            if number is not None and number >= classes:
                raise ArgumentError(sentence(f"trojan {each.name}, {what}", str(number), f"one of 0..{classes - 1}"))

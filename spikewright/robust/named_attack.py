"""NamedAttack: one cell of an evaluation: a search, whose gradient it follows, and how often it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Literal

from ..attack.rule import GradientRule
from ..attack.search import Search
from ..attack.searches import RandomNoise, Square
from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from ..models.classifier import Classifier

Kind = Literal["noise", "query", "transfer", "gradient"]
"""What an attack knows: nothing, answers, another network, or the network itself."""


RESERVED = ("search", "worst case", "low", "high")
"""Columns that the table has anyway."""


@dataclass(frozen=True, kw_only=True)
class NamedAttack:
    """One attack of an evaluation, with its place in the table.

    Args:
        row: what the search is called.
        column: what the rule is called; empty for a search that takes no gradient of the network.
        search: how to look.
        rule: whose gradient is followed; None for the network's own.
        restarts: how often the search begins.
        through: another network whose gradient is taken, a transfer attack; it goes without a column.

    Raises:
        ArgumentError: for parts of the wrong kind.

    Example:
        >>> from spikewright.attack import HART, PGD
        >>> NamedAttack(row="PGD-10", column="HART 0.5", search=PGD(), rule=HART(gamma=0.5)).name
        'PGD-10, HART 0.5'
    """

    row: str
    column: str = ""
    search: Search
    rule: GradientRule | None = None
    restarts: int = 1
    through: Classifier | None = None

    def __post_init__(self) -> None:
        check_whole("NamedAttack.restarts", self.restarts, least=1)
        if not self.row:
            raise ArgumentError(sentence("NamedAttack.row", "an empty name", "a name", "The table shows it"))
        if not isinstance(self.search, Search):
            raise ArgumentError(sentence("NamedAttack.search", named(self.search), "a search, e.g. PGD(steps=10)"))
        if self.rule is not None and not isinstance(self.rule, GradientRule):
            raise ArgumentError(sentence("NamedAttack.rule", named(self.rule), "a gradient rule, e.g. HART(), or None"))
        if self.through is not None and not isinstance(self.through, Classifier):
            raise ArgumentError(sentence("NamedAttack.through", named(self.through), "a Classifier, or None"))
        if self.column and (self.through is not None or not takes_gradient(self.search)):
            met = f"{self.column!r} for an attack that takes no gradient of the network"
            raise ArgumentError(sentence("NamedAttack.column", met, "an empty column"))
        if not self.column and self.through is None and takes_gradient(self.search):
            met = f"no name of the rule for {type(self.search).__name__}"
            raise ArgumentError(sentence("NamedAttack.column", met, "a name", "The table has a column for it"))

        if self.column in RESERVED:
            allowed = f"another name than {', '.join(RESERVED)}"
            raise ArgumentError(sentence("NamedAttack.column", repr(self.column), allowed))

    @property
    def name(self) -> str:
        """Row and column in one."""
        return ", ".join(filter(None, (self.row, self.column)))

    @property
    def kind(self) -> Kind:
        """What the attack knows of the network."""
        if isinstance(self.search, RandomNoise):
            return "noise"
        if self.through is not None:
            return "transfer"
        return "gradient" if self.column else "query"


def takes_gradient(search: Search) -> bool:
    """Whether a search asks for gradients; the others need answers alone.

    Example:
        >>> from spikewright.attack.searches import PGD
        >>> takes_gradient(PGD()), takes_gradient(RandomNoise())
        (True, False)
    """
    return not isinstance(search, RandomNoise | Square)


def check_attacks(who: str, attacks: object) -> tuple[NamedAttack, ...]:
    """The attacks as a tuple.

    Raises:
        ArgumentError: unless they are named attacks, at least one, no two of one name.
    """
    if isinstance(attacks, NamedAttack) or not isinstance(attacks, Sequence) or not attacks:
        met = "none" if isinstance(attacks, Sequence) and not attacks else named(attacks)
        raise ArgumentError(sentence(f"{who}.attacks", met, "a list of NamedAttack", "Take quick_suite()"))
    wrong = next((each for each in attacks if not isinstance(each, NamedAttack)), None)
    if wrong is not None:
        raise ArgumentError(sentence(f"{who}.attacks", f"{named(wrong)} among them", "NamedAttack alone"))
    names = [attack.name for attack in attacks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(sentence(f"{who}.attacks", f"{twice!r} twice", "different names"))
    return tuple(attacks)


def called(part: object) -> str:
    """A short name for a search or a rule: its class and what differs from the defaults.

    Example:
        >>> from spikewright.attack import HART, PGD
        >>> called(PGD(steps=20)), called(HART()), called(None)
        ('PGD steps=20', 'HART', 'own')
    """
    if part is None:
        return "own"
    words = [type(part).__name__]
    for field in fields(part) if is_dataclass(part) else ():
        value = getattr(part, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if value != default:
            words.append(f"{field.name}={_text(value)}")
    return " ".join(words)


def _text(value: object) -> str:
    if is_dataclass(value):
        return called(value).replace(" ", "(", 1) + ")" * (" " in called(value))
    return f"{value:g}" if isinstance(value, float) else getattr(value, "__name__", str(value))

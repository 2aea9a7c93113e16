"""check(model, recipe): what would become of every operation of a network, without converting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ..report.table import Column, Table
from .driver import trace_for_inference
from .operations import advice, is_linear
from .recipe import Recipe
from .rules import Rule, sites


@dataclass(frozen=True)
class Checked:
    """What would become of one operation.

    Args:
        site: its name.
        kind: class of the module, or name of the function.
        verdict: "stays", "becomes ..." or "not handled".
        advice: what to do if it is not handled; else empty.
    """

    site: str
    kind: str
    verdict: str
    advice: str


@dataclass(frozen=True)
class Check:
    """The answer for a whole network."""

    recipe: str
    rows: tuple[Checked, ...]

    @property
    def convertible(self) -> bool:
        """Whether every operation is handled and at least one becomes a neuron."""
        return not self.unhandled and any(row.verdict.startswith("becomes") for row in self.rows)

    @property
    def unhandled(self) -> tuple[Checked, ...]:
        """The operations that no rule handles."""
        return tuple(row for row in self.rows if row.advice)

    def table(self) -> Table:
        """One row per operation, in order of execution."""
        columns = (Column("site"), Column("operation"), Column("verdict"), Column("advice"))
        rows = tuple((row.site, row.kind, row.verdict, row.advice) for row in self.rows)
        return Table(f"Check for {self.recipe}", columns, rows)


def check(model: nn.Module, recipe: Recipe, *, extra: Sequence[Rule] = (), leaves: Sequence[type[nn.Module]] = ()) -> Check:
    """List every operation of a network, whether it converts, and what to do if not. Nothing is converted.

    For a method that prepares the network before training, the operations that it would replace then count as
    handled: their verdict names both steps.

    Args:
        model: an ordinary network.
        recipe: the conversion method.
        extra: rules tried before the recipe's own.
        leaves: classes of modules to keep whole.

    Raises:
        ConversionError: if the network cannot be traced.
    """
    graph = trace_for_inference(model, leaves)
    rules, before = (*extra, *recipe.rules({})), recipe.prepare()
    rows = []
    for site in sites(graph):
        rule = next((rule for rule in rules if rule.matches(site)), None)
        prior = next((rule for rule in before if rule.matches(site)), None)
        if rule is not None:
            verdict, hint = f"becomes {rule.name.split('-> ')[-1]}", ""
        elif prior is not None:
            verdict, hint = f"becomes {prior.name.split('-> ')[-1]} with prepare(), to be trained", ""
        elif is_linear(site):
            verdict, hint = "stays", ""
        else:
            verdict, hint = "not handled", advice(site)
        rows.append(Checked(site.name, site.kind, verdict, hint))
    return Check(type(recipe).__name__, tuple(rows))

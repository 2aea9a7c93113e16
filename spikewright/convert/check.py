"""check(model, recipe): what would become of every operation of a network, without converting it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.errors import SpikewrightError
from ..core.temporal import Temporal
from ..report.table import Column, Table
from .advice import advice
from .driver import check_arguments, trace_for_inference
from .layers import TRAINED
from .linear import is_linear
from .operations import Site
from .recipe import AnyThreshold, Recipe
from .rules import NO_NEURONS, Rule, rule_for, sites

TO_BE_TRAINED = " with prepare(), to be trained"


@dataclass(frozen=True)
class Checked:
    """What would become of one operation.

    Args:
        site: its name.
        kind: class of the module, or name of the function.
        verdict: "stays", "becomes ..." or "not handled".
        advice: what to do if it is not handled; else empty.
        spikes: whether it is or becomes a layer of neurons.
    """

    site: str
    kind: str
    verdict: str
    advice: str
    spikes: bool = False


@dataclass(frozen=True)
class Check:
    """The answer for a whole network.

    Args:
        recipe: name of the method.
        rows: one per operation, in order of execution.
        no_neurons: what to do about a network in which nothing becomes a neuron.
    """

    recipe: str
    rows: tuple[Checked, ...]
    no_neurons: str = NO_NEURONS

    @property
    def convertible(self) -> bool:
        """Whether every operation is handled and at least one becomes a neuron."""
        return not self.unhandled and any(row.spikes for row in self.rows)

    @property
    def unhandled(self) -> tuple[Checked, ...]:
        """The operations that no rule handles."""
        return tuple(row for row in self.rows if row.advice)

    @property
    def to_be_trained(self) -> bool:
        """Whether the network has to be prepared and trained before it converts."""
        return any(row.verdict.endswith(TO_BE_TRAINED) for row in self.rows)

    def table(self) -> Table:
        """One row per operation, in order of execution."""
        columns = (Column("site"), Column("operation"), Column("verdict"), Column("advice"))
        rows = tuple((row.site, row.kind, row.verdict, row.advice) for row in self.rows)
        return Table(f"Check for {self.recipe}", columns, rows)


def check(
    model: nn.Module,
    recipe: Recipe,
    *,
    extra: Sequence[Rule] = (),
    leaves: Sequence[type[nn.Module]] = (),
    example: Tensor | None = None,
) -> Check:
    """List every operation of a network, whether it converts, and what to do if not. Nothing is converted.

    For a method that prepares the network before training, the operations that it would replace then count as
    handled: their verdict says so, and it is the prepared network that converts.

    Args:
        model: an ordinary network.
        recipe: the conversion method.
        extra: rules tried before the recipe's own.
        leaves: classes of modules to keep whole.
        example: images [N, ...] that settle decisions on shapes, for a network that cannot be traced without.

    Raises:
        ConversionError: if the network cannot be traced.
    """
    check_arguments(model, recipe, leaves, "check")
    graph = trace_for_inference(model, leaves, lambda: example)
    graph = recipe.arrange(graph)
    rules, before = (*extra, *recipe.rules(AnyThreshold())), recipe.prepare()
    rows = tuple(_checked(site, rules, before) for site in sites(graph))
    return Check(type(recipe).__name__, rows, recipe.no_neurons)


def _checked(site: Site, rules: Sequence[Rule], before: Sequence[Rule]) -> Checked:
    rule = rule_for(site, rules)
    prior = None if rule is not None else rule_for(site, before)
    chosen = rule or prior
    if chosen is None and is_linear(site):
        return Checked(site.name, site.kind, "stays", "", spikes=_fires(site.module))
    if chosen is None:
        return Checked(site.name, site.kind, "not handled", advice(site))
    try:
        with warnings.catch_warnings(action="ignore"):
            made = chosen.replacement(site)
    except SpikewrightError as error:
        return Checked(site.name, site.kind, "not handled", str(error))
    when = TO_BE_TRAINED if prior is not None else ""
    verdict = f"becomes {chosen.name.split('-> ')[-1]}{when}"
    return Checked(site.name, site.kind, verdict, "", spikes=_fires(made) or isinstance(made, TRAINED))


def _fires(module: nn.Module | None) -> bool:
    return isinstance(module, Temporal) and module.fires

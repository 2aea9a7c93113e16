"""Recipe: the hyper-parameters of a conversion method and its table of rules; Conversion: the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from ..core.neuron import Neuron
from ..core.spiking import Spiking
from ..report.table import Column, Table
from .rules import NO_NEURONS, Replaced, Rule
from .statistics import At


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """A conversion method. The driver owns the order: prepare, (train), fold, arrange, measure, rewrite, audit."""

    @property
    def no_neurons(self) -> str:
        """What to do about a network in which nothing became a neuron, for the message."""
        return NO_NEURONS

    def prepare(self) -> list[Rule]:
        """What replaces what before training, e.g. ReLU -> QCFS activation; empty if the method trains nothing."""
        return []

    def arrange(self, graph: fx.GraphModule) -> fx.GraphModule:
        """The network in the form that the rules are made for, changed in place; its function stays the same."""
        return graph

    def statistics(self) -> tuple[At, ...]:
        """What to measure at which sites during calibration; empty if the method needs no data."""
        return ()

    @abstractmethod
    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        """The table: what replaces what. `thresholds` holds the measured threshold of every site, by name."""


class AnyThreshold(dict[str, Tensor]):
    """Stands for measured thresholds where a recipe's rules are only asked what they would replace."""

    def __missing__(self, site: str) -> Tensor:
        return torch.ones(())


@dataclass(frozen=True)
class Conversion:
    """A converted network.

    Args:
        model: the spiking network, [T, N, ...] in and out.
        source: the source network as the conversion saw it: traced, batch norm folded, in `eval()`, [N, ...] in.
        recipe: the recipe.
        replaced: every call site that a rule replaced, in order of execution.
        thresholds: what calibration measured, by site; saved with the weights, it makes calibration unnecessary.
        starts: start potentials that differ from the recipe's, by site, in units of the threshold; saved likewise.
    """

    model: Spiking
    source: fx.GraphModule
    recipe: Recipe
    replaced: tuple[Replaced, ...]
    thresholds: Mapping[str, Tensor] = field(default_factory=dict)
    starts: Mapping[str, Tensor] = field(default_factory=dict)

    def neurons(self) -> dict[str, Neuron]:
        """Site -> its neuron, in order of execution."""
        found = {row.site: self.model.module.get_submodule(row.path) for row in self.replaced}
        return {site: module for site, module in found.items() if isinstance(module, Neuron)}

    def table(self) -> Table:
        """One row per site: what stood there, the rule, its threshold and start potential."""
        columns = (
            Column("site"),
            Column("source"),
            Column("rule"),
            Column("threshold", "activation", 4),
            Column("start", "threshold", 3),
            Column("thresholds"),
        )
        rows = []
        for row in self.replaced:
            state = dict(self.model.module.get_submodule(row.path).named_buffers())
            v_threshold, start = state.get("v_threshold"), state.get("start")
            rows.append(
                (
                    row.site,
                    row.kind,
                    row.rule,
                    None if v_threshold is None else float(v_threshold.mean()),
                    None if start is None else float(start.mean()),
                    None if v_threshold is None else v_threshold.numel(),
                )
            )
        note = "Where a site has several thresholds (one per channel) their mean is shown."
        return Table("Converted sites", columns, tuple(rows), notes=(note,))

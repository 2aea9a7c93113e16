"""UnitRecipe: any network becomes one of neurons, where activities are made spikes, and of units, exact elsewhere."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from numbers import Real
from typing import Literal

from torch import Tensor, fx, nn

from ..core.arguments import check_switch, named
from ..core.errors import ArgumentError, ConversionError, sentence
from ..core.neuron import Neuron
from ..neurons.firing import Firing, MultiThreshold, Sign
from .codings import Coding, differential
from .layers.call import Call
from .linear import is_weighted
from .markers import channel_axis, is_network_input, is_network_output, is_wire, mark_ends, mark_wires, swap_max_pools
from .max_pools import pool_of
from .neuron_recipe import trained_threshold
from .nonlinear import is_kept_whole, is_larger_of_two, is_one_input_nonlinear
from .operations import Site, is_clipped_relu, is_matmul, is_max_pool, is_product, is_qcfs, is_relu, upper_bound
from .plain_nodes import plain_nodes
from .recipe import Recipe
from .rules import Rule
from .statistics import (
    At,
    GaussianOptimal,
    Groups,
    Levels,
    LevelStatistic,
    Statistic,
    per_channel,
    per_feature,
    per_layer,
    positive_output,
    signed_input,
    size_of_input,
)
from .statistics.statistic import check_statistic

Encoded = Literal["relu", "everything"]


@dataclass(frozen=True, kw_only=True)
class UnitRecipe(Recipe, ABC):
    """Training-free conversion: every nonlinearity becomes a neuron or an exact unit, everything affine stays.

    Args:
        firing: what a neuron fires.
        coding: `differential` or `rate`.
        signed: whether the neuron of a ReLU may take spikes back.
        encode: "relu" puts neurons in the place of ReLUs alone, so that what other units give travels as numbers;
            "everything" also puts one on every other wire into a layer with weights or into a product.
        threshold: how thresholds are found. A statistic tied to T is told what the firing function can say in T steps;
            any other gives the largest activity that a step can deliver. A QCFS activation or clipped ReLU keeps its
            trained one as the largest activity.
        scale: factor on every threshold.
    """

    firing: Firing = field(default_factory=MultiThreshold)
    coding: Coding = differential
    signed: bool = True
    encode: Encoded = "relu"
    threshold: Statistic
    scale: float = 1.0

    def __post_init__(self) -> None:
        who = type(self).__name__
        check_statistic(self.threshold, f"{who}.threshold")
        if not isinstance(self.firing, Firing):
            raise ArgumentError(sentence(f"{who}.firing", named(self.firing), "a firing function: MultiThreshold()"))
        if not isinstance(self.coding, Coding):
            raise ArgumentError(sentence(f"{who}.coding", named(self.coding), "rate or differential"))
        check_switch(f"{who}.signed", self.signed)
        if self.encode not in ("relu", "everything"):
            raise ArgumentError(sentence(f"{who}.encode", repr(self.encode), "'relu' or 'everything'"))
        if not isinstance(self.scale, Real) or not 0 < self.scale < 1e6:
            raise ArgumentError(sentence(f"{who}.scale", repr(self.scale), "a finite number above 0"))

    @property
    def no_neurons(self) -> str:
        if self.encode == "everything":
            return super().no_neurons
        return 'With encode="everything" every wire into a layer with weights gets a neuron, whatever the activations'

    def arrange(self, graph: fx.GraphModule) -> fx.GraphModule:
        plain_nodes(graph)
        swap_max_pools(graph)
        if self.encode == "everything":
            mark_wires(graph, lambda site: is_weighted(site) or is_product(site) or is_matmul(site))
        if self.coding.ends() is not None:
            mark_ends(graph)
        return graph

    @property
    def relu_sign(self) -> Sign:
        """Which signs the neuron of a ReLU may fire."""
        return Sign.BUDGETED if self.signed else Sign.POSITIVE

    def neuron(self, sign: Sign, v_threshold: Tensor, ceiling: float | None = None) -> Neuron:
        """The neuron for a ReLU or a wire, with what it may fire, its threshold, and the bound of a clipped ReLU."""
        return self.coding.neuron(self.firing, sign, v_threshold, ceiling)

    def statistics(self) -> tuple[At, ...]:
        rectifier, wire = self._statistic(self.relu_sign), self._statistic(Sign.BOTH)
        gaussian = isinstance(self.threshold, GaussianOptimal)
        return tuple(
            At(
                lambda site, kind=kind, where=where: kind(site) and where(site),
                replace(statistic, groups=groups),
                reading,
            )
            for kind, statistic, reading in (
                (is_relu, rectifier, signed_input if gaussian else positive_output),
                (is_wire, wire, signed_input if gaussian else size_of_input),
            )
            for where, groups in _channels(self.threshold.groups)
        )

    def _statistic(self, sign: Sign) -> Statistic:
        if not isinstance(self.threshold, LevelStatistic) or self.threshold.levels is not None:
            return self.threshold
        return replace(self.threshold, levels=Levels(*self.firing.steps(self.threshold.timesteps, sign)))

    def v_threshold(self, site: Site, thresholds: Mapping[str, Tensor]) -> Tensor:
        """A neuron's threshold from what was measured."""
        measured = thresholds[site.name] * self.scale
        return measured if isinstance(self.threshold, LevelStatistic) else measured / self.firing.reach

    def rules(self, thresholds: Mapping[str, Tensor]) -> list[Rule]:
        def rectifier(site: Site) -> nn.Module:
            bound = upper_bound(site)
            if bound is not None and not bound > 0:
                raise ConversionError(
                    f"{site.name} ({site.kind}): is bounded by {'a tensor' if isnan(bound) else bound}; expected a "
                    "number above 0. Write the bound into the network as a number."
                )
            return self.neuron(self.relu_sign, self.v_threshold(site, thresholds), bound)

        def trained(site: Site) -> nn.Module:
            bound = trained_threshold(site)
            return self.neuron(self.relu_sign, bound / self.firing.reach, float(bound))

        def wire(site: Site) -> nn.Module:
            return self.neuron(Sign.BOTH, self.v_threshold(site, thresholds))

        def unit(site: Site) -> nn.Module:
            return self.coding.unit(Call(site.graph, site.node, site.activities()))

        def pooling(site: Site) -> nn.Module:
            return self.coding.unit(pool_of(site))

        return [
            Rule("ReLU -> neuron", is_relu, rectifier),
            Rule("QCFS -> neuron", is_qcfs, trained),
            Rule("clipped ReLU -> neuron", is_clipped_relu, trained),
            Rule("wire -> neuron", is_wire, wire),
            *_ends(self.coding),
            Rule("max pool -> unit", is_max_pool, pooling, Site.activities),
            Rule("function -> unit", is_one_input_nonlinear, unit, Site.activities),
            Rule("larger of two -> unit", is_larger_of_two, unit, Site.activities),
            Rule("product -> unit", is_product, unit, Site.activities),
            Rule("matrix product -> unit", is_matmul, unit, Site.activities),
            Rule("module kept whole -> unit", is_kept_whole, unit, Site.activities),
        ]


def _channels(groups: Groups) -> tuple[tuple[Callable[[Site], bool], Groups], ...]:
    """Where the channels of an activity are, if thresholds are per channel: with tokens the last axis."""
    if groups is not per_channel:
        return ((lambda site: True, groups),)
    return (
        (lambda site: channel_axis(site) == 1, per_channel),
        (lambda site: channel_axis(site) == -1, per_feature),
        (lambda site: channel_axis(site) is None, per_layer),
    )


def _ends(coding: Coding) -> list[Rule]:
    made: list[tuple[str, Callable[[Site], bool], int]] = [
        ("input -> corrections", is_network_input, 0),
        ("corrections -> output", is_network_output, 1),
    ]

    def end(which: int) -> Callable[[Site], nn.Module]:
        def make(site: Site) -> nn.Module:
            ends = coding.ends()
            if ends is None:
                raise ConversionError(f"{site.name}: {coding} has nothing to put here; this is a fault of the recipe.")
            return ends[which]

        return make

    return [Rule(name, matches, end(which)) for name, matches, which in made]

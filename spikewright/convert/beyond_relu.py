"""What recipes with measured thresholds make of leaky ReLUs, max pools, sigmoids and products of two activities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..core.trace import attribute_of
from ..neurons.signed_memory_if import SignedMemoryIF
from .layers.expectation import Expectation
from .max_pools import max_pool_to_gate
from .operations import Site, is_leaky_relu, is_product, is_sigmoid
from .rules import Rule
from .statistics import At, LevelStatistic, Statistic, at, size_of_input


def leaky_relu_statistics(threshold: Statistic) -> tuple[At, ...]:
    """What a leaky ReLU's threshold is measured on: its input, of either sign, as that is what the neuron counts."""
    if isinstance(threshold, LevelStatistic):
        return at(is_leaky_relu, threshold.mirrored())
    return (At(is_leaky_relu, threshold, size_of_input),)


def beyond_relu(thresholds: Mapping[str, Tensor], start: float) -> list[Rule]:
    """The rules for all of them; `start` is that of the neurons."""
    return [
        leaky_relu_to_signed_memory_if(thresholds, start),
        max_pool_to_gate,
        sigmoid_to_expectation,
        product_to_expectation,
    ]


def leaky_relu_to_signed_memory_if(thresholds: Mapping[str, Tensor], start: float) -> Rule:
    """Leaky or parametric ReLU -> signed neuron with memory, its slope and a measured threshold."""

    def neuron(site: Site) -> SignedMemoryIF:
        v_threshold = thresholds[site.name]
        return SignedMemoryIF(v_threshold=v_threshold, amplitude=v_threshold, start=start, slope=_slope(site))

    return Rule("leaky ReLU -> SignedMemoryIF", is_leaky_relu, neuron)


def _slope(site: Site) -> float | Tensor:
    if isinstance(site.module, nn.LeakyReLU):
        return site.module.negative_slope
    if isinstance(site.module, nn.PReLU):
        weight = site.module.weight
    else:
        _, *rest = site.node.args
        given = next(iter(rest), site.node.kwargs.get("weight", site.node.kwargs.get("negative_slope", 0.01)))
        weight = attribute_of(site.graph, given)
    return weight if not isinstance(weight, Tensor) or weight.numel() > 1 else weight.reshape(())


def _sigmoid_of(site: Site) -> Expectation:
    hard = isinstance(site.module, nn.Hardsigmoid) or site.node.target is F.hardsigmoid
    return Expectation(F.hardsigmoid if hard else torch.sigmoid)


def _product_of(site: Site) -> Expectation:
    return Expectation(torch.mul)


sigmoid_to_expectation = Rule("sigmoid -> expectation (analog)", is_sigmoid, _sigmoid_of)
"""Analog work whose mean output is the sigmoid of the mean input."""

product_to_expectation = Rule("product -> expectation (analog)", is_product, _product_of, Site.activities)
"""Analog work whose mean output is the product of the two mean inputs."""

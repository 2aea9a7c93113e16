"""LRP: relevance handed back layer by layer in proportion to what each input gave."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...models.normalize import Normalize
from ..captum_door import captum
from ..method import Found, Method, check_amount
from ..view import View

LINEAR = (
    nn.Conv2d,
    nn.Linear,
    nn.BatchNorm2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.MaxPool2d,
    nn.Flatten,
    nn.Identity,
    Normalize,
)
"""Modules whose inputs get relevance in proportion to what they gave; a max pool is linear in what it chose."""
PASSING = (nn.ReLU, nn.Tanh, nn.Dropout)
"""Modules through which relevance passes as it is."""


@dataclass(frozen=True, kw_only=True)
class LRP(Method):
    """R_i = sum_j z_ij / (sum_i z_ij + eps sign) R_j at each layer; activations hand on what they get.

    On a network of ReLUs it is Input x Gradient up to the biases, and is flagged where there are none. It runs on a
    copy, as Captum writes into the network.

    Args:
        epsilon: keeps the quotient finite, in the unit of activations.

    Source: Bach et al. 2015, "On Pixel-Wise Explanations by Layer-Wise Relevance Propagation", PLOS ONE 10(7), eq. 58.
    """

    epsilon: float = 1e-9

    def __post_init__(self) -> None:
        check_amount("LRP.epsilon", self.epsilon)

    def refuses(self, view: View) -> str:
        if view.audit.spiking:
            return "no rule says how relevance passes a threshold over time"
        for call in view.audit.calls:
            if type(call.module) not in (*LINEAR, *PASSING):
                return f"it has no rule for {type(call.module).__name__} (layer {call.name})"
            if call.times > 1:
                return f"layer {call.name} is called {call.times} times in one pass"
        if view.audit.sums:
            return (
                f"it adds activities outside a module, {view.audit.sums} times, and relevance would count twice there"
            )
        return view.audit.unseen((*LINEAR, *PASSING))

    def run(self, view: View) -> Found:
        door: Any = captum()
        from captum.attr._utils.lrp_rules import EpsilonRule

        network = copy.deepcopy(view.network)
        for part in network.modules():
            if type(part) in LINEAR:
                part.rule = EpsilonRule(self.epsilon)  # pyright: ignore[reportArgumentType]
        values = door.LRP(network).attribute(view.images.detach().clone(), target=view.targets).detach()
        return Found(values, values.flatten(1).sum(1) - view.score(view.images))

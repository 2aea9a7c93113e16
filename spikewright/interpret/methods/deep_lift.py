"""DeepLift: differences from a baseline handed back through each activation by the rescale rule."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..captum_door import captum
from ..method import Found, Method
from ..view import View

HOOKED = (
    nn.ReLU,
    nn.ELU,
    nn.LeakyReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.MaxPool2d,
    nn.Softmax,
)
"""The modules that Captum has a multiplier for; all else it differentiates, without a word."""


def refuses_deep_lift(view: View) -> str:
    """Why DeepLift is not defined for a network; empty if it is."""
    if view.audit.spiking:
        return "no multiplier is known for layers over time, and the answer would be Input x Gradient; take its source"
    return view.audit.unseen(HOOKED)


@dataclass(frozen=True, kw_only=True)
class DeepLift(Method):
    """C = m (x - x') with the multipliers m = (y - y') / (z - z') of all activations chained.

    Source: Shrikumar, Greenside and Kundaje 2017, "Learning Important Features Through Propagating Activation
        Differences", ICML 2017; the rescale rule.
    """

    def refuses(self, view: View) -> str:
        return refuses_deep_lift(view)

    def run(self, view: View) -> Found:
        values = captum().DeepLift(view.network).attribute(
            view.images.detach().clone(), baselines=view.baseline, target=view.targets
        ).detach()  # fmt: skip
        return Found(values, view.gap(values.flatten(1).sum(1)))

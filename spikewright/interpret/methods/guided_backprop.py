"""GuidedBackprop: backwards through each activation only where it was active and the gradient is positive."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..audit import POOLS
from ..captum_door import captum
from ..method import Found, Method
from ..spike_backward import guided, spikes_as, unknown_spikes
from ..view import View


def refuses_positive(view: View) -> str:
    """Why a rule for the backward pass of ReLUs is not defined for a network; empty if it is."""
    if view.audit.spiking:
        return unknown_spikes(view.network)
    return view.audit.unseen((nn.ReLU,), passing=POOLS)


def guided_gradient(view: View) -> Tensor:
    """Guided gradients [N, C, H, W]: Captum's for ReLU modules, ours for spikes."""
    if view.audit.spiking:
        with spikes_as(view.network, guided):
            return view.gradient()
    x = view.images.detach().clone()
    return captum().GuidedBackprop(view.network).attribute(x, target=view.targets).detach()


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Method):
    """The gradient with R_in = R_out [z > 0] [R_out > 0] at each ReLU; a spike has sigma'(u) in place of [z > 0].

    Source: Springenberg et al. 2015, "Striving for Simplicity", ICLR 2015 workshop, arXiv 1412.6806.
    """

    def refuses(self, view: View) -> str:
        return refuses_positive(view)

    def run(self, view: View) -> Found:
        return Found(guided_gradient(view))

"""Deconvolution: backwards through each activation where the gradient is positive, active or not."""

from __future__ import annotations

from dataclasses import dataclass

from ..captum_door import captum
from ..method import Found, Method
from ..spike_backward import deconvolved, spikes_as
from ..view import View
from .guided_backprop import refuses_positive


@dataclass(frozen=True, kw_only=True)
class Deconvolution(Method):
    """The gradient with R_in = R_out [R_out > 0] at each ReLU and each spike.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
    """

    def refuses(self, view: View) -> str:
        return refuses_positive(view)

    def run(self, view: View) -> Found:
        if view.audit.spiking:
            with spikes_as(view.network, deconvolved):
                return Found(view.gradient())
        x = view.images.detach().clone()
        return Found(captum().Deconvolution(view.network).attribute(x, target=view.targets).detach())

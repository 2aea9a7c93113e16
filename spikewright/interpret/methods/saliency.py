"""Saliency: the size of the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..captum_door import captum
from ..method import Found, Method
from ..view import View


@dataclass(frozen=True, kw_only=True)
class Saliency(Method):
    """abs(df/dx); on a spiking network that of the gradient the `Classifier` shows, so it depends on the surrogate.

    Source: Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", ICLR 2014 workshop.
        Differs: sums over channels, where they take the largest.
    """

    per_pixel: ClassVar[bool] = False

    def run(self, view: View) -> Found:
        x = view.images.detach().clone()
        return Found(captum().Saliency(view.asked()).attribute(x, target=view.targets))

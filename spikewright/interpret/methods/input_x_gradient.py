"""InputXGradient: the gradient times the pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..captum_door import captum
from ..method import Found, Method
from ..view import View


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Method):
    """x df/dx; on a spiking network with the gradient that the `Classifier` shows.

    Source: Shrikumar et al. 2016, "Not Just a Black Box", arXiv 1605.01713.
    """

    per_pixel: ClassVar[bool] = False

    def run(self, view: View) -> Found:
        x = view.images.detach().clone()
        return Found(captum().InputXGradient(view.asked()).attribute(x, target=view.targets))

"""GradientSHAP: integrated gradients at random places on the way from random baselines."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.arguments import check_whole
from ...core.seed import generator
from ..captum_door import captum
from ..method import Found, Method, check_amount, spread_baselines
from ..view import View


@dataclass(frozen=True, kw_only=True)
class GradientSHAP(Method):
    """E[(x - x') df/dx at x' + a (x + e - x')] over baselines x', a in 0..1 and noise e.

    Args:
        samples: draws per image.
        spread: standard deviation of the noise that makes a set of baselines of one.
        noise: standard deviation of e.

    Source: Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017; as in Captum.
    """

    samples: int = 20
    spread: float = 0.1
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_whole("GradientSHAP.samples", self.samples, least=1)
        for name in ("spread", "noise"):
            check_amount(f"GradientSHAP.{name}", getattr(self, name), zero=True)

    def run(self, view: View) -> Found:
        baselines = spread_baselines(view, 8, self.spread, generator(view.seed, 1))
        values, delta = (
            captum()
            .GradientShap(view.asked(one_by_one=True))
            .attribute(
                view.images.detach().clone(),
                baselines=baselines,
                target=view.targets,
                n_samples=self.samples,
                stdevs=self.noise,
                return_convergence_delta=True,
            )
        )
        return Found(values, delta.reshape(len(view.images), -1).mean(1))

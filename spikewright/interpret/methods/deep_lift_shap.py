"""DeepLiftSHAP: the mean of DeepLift over a set of baselines."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.arguments import check_whole
from ...core.seed import generator
from ..captum_door import captum
from ..method import Found, Method, check_amount, spread_baselines
from ..view import View
from .deep_lift import refuses_deep_lift


@dataclass(frozen=True, kw_only=True)
class DeepLiftSHAP(Method):
    """DeepLift averaged over baselines; with a single one and no spread it would be DeepLift itself.

    Args:
        baselines: how many are made of a single one.
        spread: standard deviation of the noise that makes them.

    Source: Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, section 4.2.
    """

    baselines: int = 8
    spread: float = 0.1

    def __post_init__(self) -> None:
        check_whole("DeepLiftSHAP.baselines", self.baselines, least=2)
        check_amount("DeepLiftSHAP.spread", self.spread)

    def refuses(self, view: View) -> str:
        return refuses_deep_lift(view)

    def run(self, view: View) -> Found:
        baselines = spread_baselines(view, self.baselines, self.spread, generator(view.seed, 2))
        values, delta = (
            captum()
            .DeepLiftShap(view.network)
            .attribute(
                view.images.detach().clone(), baselines=baselines, target=view.targets, return_convergence_delta=True
            )
        )
        return Found(values.detach(), delta.detach().reshape(len(view.images), -1).mean(1))

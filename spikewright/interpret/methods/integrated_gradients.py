"""IntegratedGradients: the gradient along the straight line from the baseline, times the way."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from ...core.arguments import check_switch, check_whole
from ..captum_door import captum
from ..method import Found, Method
from ..spike_backward import smooth, spikes_as, unknown_spikes
from ..view import View


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(Method):
    """(x - x') times the mean of df/dx between x' and x, by Gauss-Legendre quadrature.

    Its sum is f(x) - f(x') where the gradient is the derivative of f. That of a spiking network is not: the gap is
    given, and no bound holds for it.

    Args:
        steps: points on the line.
        smooth: explain the relaxed network, whose neurons give the smooth step in the place of spikes; the surrogate is
            its true derivative, so the sum is right for it. For spiking networks only.

    Source: Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """

    steps: int = 50
    smooth: bool = False

    def __post_init__(self) -> None:
        check_whole("IntegratedGradients.steps", self.steps, least=1)
        check_switch("IntegratedGradients.smooth", self.smooth)

    def refuses(self, view: View) -> str:
        if not self.smooth:
            return ""
        if not view.audit.spiking:
            return "smooth=True relaxes spikes, and the network has none"
        return unknown_spikes(view.network)

    def run(self, view: View) -> Found:
        with spikes_as(view.network, smooth) if self.smooth else nullcontext():
            values = (
                captum()
                .IntegratedGradients(view.asked())
                .attribute(
                    view.images.detach().clone(),
                    baselines=view.baseline,
                    target=view.targets,
                    n_steps=self.steps,
                    internal_batch_size=max(view.rows, len(view.images)),
                )
            )
            return Found(values, view.gap(values.flatten(1).sum(1)))

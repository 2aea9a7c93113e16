"""ShapleySampling: what a group adds to the logit when it comes in a random order, on average."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.arguments import check_whole
from ..captum_door import captum
from ..method import Found, GroupMethod, group_sums
from ..view import View


@dataclass(frozen=True, kw_only=True)
class ShapleySampling(GroupMethod):
    """Mean marginal contribution over random orders of the groups; exact in its sum, whatever the number of orders.

    Args:
        orders: random orders, each of as many passes as there are groups.

    Source: Castro, Gómez and Tejada 2009, "Polynomial Calculation of the Shapley Value Based on Sampling", Computers &
        Operations Research 36(5).
    """

    orders: int = 10

    def __post_init__(self) -> None:
        check_whole("ShapleySampling.orders", self.orders, least=1)

    def run(self, view: View) -> Found:
        values = (
            captum()
            .ShapleyValueSampling(view.asked())
            .attribute(
                view.images,
                baselines=view.baseline,
                target=view.targets,
                feature_mask=self.mask(view),
                n_samples=self.orders,
                perturbations_per_eval=view.copies,
            )[:, :1]
        )
        return Found(values, view.gap(group_sums(values, view.groups)))

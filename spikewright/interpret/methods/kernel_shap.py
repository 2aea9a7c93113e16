"""KernelSHAP: Shapley values from one weighted regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..captum_door import captum
from ..linear_fit import least_squares
from ..method import Found, GroupMethod, group_sums
from ..view import View
from .surrogate_fit import Fit, check_samples, enough_samples


@dataclass(frozen=True, kw_only=True)
class KernelSHAP(GroupMethod):
    """Least squares over sets of groups of which k of M are there with probability ~ (M - 1) / (k (M - k)).

    Args:
        samples: sets per image, at least two per group; None for four.

    Source: Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, theorem 2.
    """

    samples: int | None = None

    def __post_init__(self) -> None:
        check_samples("KernelSHAP", self.samples)

    def run(self, view: View) -> Found:
        samples = enough_samples("KernelSHAP", self.samples, view)
        method: Any = captum().KernelShap(view.asked(one_by_one=True))
        method.interpretable_model = Fit(least_squares)
        values = method.attribute(
            view.images,
            baselines=view.baseline,
            target=view.targets,
            feature_mask=self.mask(view),
            n_samples=samples,
            perturbations_per_eval=min(view.rows, samples),
        )[:, :1]
        return Found(values, view.gap(group_sums(values, view.groups), one_by_one=True))

"""LIME: a sparse linear model of what the network says of an image with groups of pixels missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..captum_door import captum
from ..linear_fit import lasso
from ..method import Found, GroupMethod, check_amount
from ..view import View
from .surrogate_fit import Fit, check_samples, enough_samples


@dataclass(frozen=True, kw_only=True)
class LIME(GroupMethod):
    """argmin_w sum pi (f(z) - w z)^2 + alpha |w|_1 over random sets z of groups that are there, pi their nearness.

    Args:
        samples: sets per image; None for four per group.
        penalty: alpha as a share of the logit's standard deviation over the samples; a fixed one, such as the usual
            0.01, shrinks all to 0 where logits differ little.

    Source: Ribeiro, Singh and Guestrin 2016, "Why Should I Trust You?", KDD 2016. Differs: an L1 penalty in place of a
        number of features, as in Captum, and alpha in units of the logit.
    """

    samples: int | None = None
    penalty: float = 0.01

    def __post_init__(self) -> None:
        check_samples("LIME", self.samples)
        check_amount("LIME.penalty", self.penalty, zero=True)

    def run(self, view: View) -> Found:
        samples = enough_samples("LIME", self.samples, view)
        fit: Any = Fit(lambda x, y, w: lasso(x, y, w, self.penalty * float(y.double().std())))
        values = (
            captum()
            .Lime(view.asked(one_by_one=True), interpretable_model=fit)
            .attribute(
                view.images,
                baselines=view.baseline,
                target=view.targets,
                feature_mask=self.mask(view),
                n_samples=samples,
                perturbations_per_eval=min(view.rows, samples),
            )
        )
        return Found(values[:, :1])

"""FeatureAblation: what the logit loses when a group of pixels is taken away."""

from __future__ import annotations

from dataclasses import dataclass

from ..captum_door import captum
from ..method import Found, GroupMethod
from ..view import View


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(GroupMethod):
    """f(x) - f(x with the group as in the baseline).

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2; for
        groups as in Captum.
    """

    def run(self, view: View) -> Found:
        values = (
            captum()
            .FeatureAblation(view.asked())
            .attribute(
                view.images,
                baselines=view.baseline,
                target=view.targets,
                feature_mask=self.mask(view),
                perturbations_per_eval=view.copies,
            )
        )
        return Found(values[:, :1])

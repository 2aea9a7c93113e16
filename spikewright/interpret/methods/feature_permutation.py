"""FeaturePermutation: what the logit loses when a group of pixels comes from another image of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.seed import generator
from ..captum_door import captum
from ..method import Found, GroupMethod
from ..view import View


def shifted(count: int, drawn: torch.Generator) -> Tensor:
    """A random order of `count` images in which none stands where it stood: a random order, shifted along itself.

    Example:
        >>> order = shifted(5, torch.Generator().manual_seed(0))
        >>> bool((order == torch.arange(5)).any())
        False
    """
    order = torch.randperm(count, generator=drawn)
    return torch.empty_like(order).scatter(0, order, order.roll(1))


@dataclass(frozen=True, kw_only=True)
class FeaturePermutation(GroupMethod):
    """f(x) - f(x with the group of another image).

    Args:
        draws: permutations that are averaged.

    Source: Fisher, Rudin and Dominici 2019, "All Models are Wrong, but Many are Useful", JMLR 20; per image as in
        Captum.
    """

    draws: int = 1

    def refuses(self, view: View) -> str:
        if len(view.images) < 2:
            return "it takes pixels from other images of the batch, and there are none"
        if not bool((view.groups == view.groups[:1]).all()):
            return "it needs the same groups for all images of the batch"
        return ""

    def run(self, view: View) -> Found:
        drawn = generator(view.seed, 3)

        def exchange(x: Tensor, mask: Tensor) -> Tensor:
            return torch.where(mask.bool(), x[shifted(len(x), drawn).to(x.device)], x)

        method = captum().FeaturePermutation(view.asked(), perm_func=exchange)
        total = torch.zeros_like(view.images)
        for _ in range(self.draws):
            total += method.attribute(
                view.images,
                target=view.targets,
                feature_mask=self.mask(view)[:1],
                perturbations_per_eval=view.copies,
            )
        return Found(total[:, :1] / self.draws)

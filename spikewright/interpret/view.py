"""View: what a method is asked: a network, images, targets, and what a missing pixel looks like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from .audit import Audit, audit
from .steady import steady


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One batch and the network that answers for it.

    Args:
        network: images [N, C, H, W] -> logits [N, K], in `eval()`.
        images: [N, C, H, W].
        targets: the logit that is explained for each, [N].
        baselines: what missing pixels look like, [B, C, H, W]; methods that need one take the mean.
        groups: the group of every pixel, [N, H, W], from 0 without gaps.
        seed: of all that is drawn.
        rows: images of one forward pass, about.
    """

    network: nn.Module
    images: Tensor
    targets: Tensor
    baselines: Tensor
    groups: Tensor
    seed: int
    rows: int

    @cached_property
    def audit(self) -> Audit:
        """What one pass of the network showed."""
        return audit(self.network, self.images[:1])

    @cached_property
    def baseline(self) -> Tensor:
        """The one picture that stands for a missing one, [1, C, H, W]."""
        return self.baselines.mean(0, keepdim=True)

    @property
    def copies(self) -> int:
        """Changed copies of the whole batch in one forward pass."""
        return max(1, self.rows // len(self.images))

    def asked(self, *, one_by_one: bool = False) -> nn.Module:
        """The network, steady: with the same draws for every copy of the batch, or of each image alone."""
        return steady(self.network, 1 if one_by_one else len(self.images), self.seed)

    def score(self, images: Tensor, *, one_by_one: bool = False) -> Tensor:
        """The logits of the targets for a batch of the same length, or for one picture, [N]."""
        images = images.expand(len(self.images), *images.shape[1:])
        with torch.no_grad():
            logits = self.asked(one_by_one=one_by_one)(images)
        return logits.gather(1, self.targets[:, None])[:, 0]

    def gap(self, total: Tensor, *, one_by_one: bool = False) -> Tensor:
        """A sum of attributions minus what the target's logit gains from baseline to image, [N]."""
        gained = self.score(self.images, one_by_one=one_by_one) - self.score(self.baseline, one_by_one=one_by_one)
        return (total - gained).detach()

    def gradient(self) -> Tensor:
        """The gradient of the target's logit, as the network shows it, [N, C, H, W]."""
        x = self.images.detach().clone().requires_grad_()
        with torch.enable_grad():
            score = self.asked()(x).gather(1, self.targets[:, None]).sum()
            (found,) = torch.autograd.grad(score, x, allow_unused=True)
        return torch.zeros_like(x) if found is None else found

"""Hardening: how a network is trained against attacks; the named ones are the published combinations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..attack import BPTR, FGSM, PGD, RFGSM, Linf
from ..coding.encode import repeat
from ..core.arguments import check_whole
from ..core.errors import ArgumentError, ConfigError, sentence
from ..core.loss import Loss
from ..data.folder import FolderImages
from ..data.images import ImageDataset
from ..models.convex_sum import ConvexSum
from ..robust import (
    Attacked,
    BestKept,
    Examples,
    Mixture,
    Monitor,
    NormLimit,
    Retraction,
    View,
    adversarial,
    gradient_sparsity,
    input_shapes,
    keep_convex,
    row_sums,
    trades,
)
from ..robust.examples import Unchanged
from ..train.after_step import AfterStep

Images = ImageDataset | FolderImages


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Accuracy under attack after each epoch, on images that are taken out of the training set.

    Args:
        images: how many, evenly spread over it.
        attack: by which search, budget and rule.
        choose: whether the network of the run is that of the best epoch, by this accuracy, in place of the last one.
    """

    images: int = 200
    attack: Attacked = field(default_factory=lambda: Attacked(search=PGD(steps=10), budget=Linf(eps=8 / 255)))
    choose: bool = False

    def __post_init__(self) -> None:
        check_whole("Watch.images", self.images, least=1)

    def apart(self, train: Images) -> tuple[Images, Images]:
        """The images that are left to train on, and those that are watched.

        Raises:
            ConfigError: if none is left.
        """
        if self.images >= len(train):
            met, allowed = f"{self.images} of {len(train)} training images", "fewer than there are"
            raise ConfigError(sentence("--hardening.watch.images", met, allowed, "Or --hardening.watch none"))
        watched = torch.linspace(0, len(train) - 1, self.images).long()
        left = torch.ones(len(train), dtype=torch.bool)
        left[watched] = False
        return train.subset(left.nonzero()[:, 0]), train.subset(watched)

    def note(self) -> str:
        """What a report says of it."""
        which = "epoch's that bears it best" if self.choose else "last epoch's"
        return f"After every epoch {self.images} images apart from the training are attacked; the run has the {which}."


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """How a network is trained against attacks: choices that do not know each other, each left out where it is none.

    Args:
        examples: attacked images to train on, by one attack or a mixture of several; none for clean ones.
        trades: weight of the divergence between the answers to clean and attacked images, which then takes the place
            of training on attacked ones alone; none to do that.
        gradient_sparsity: weight of the penalty on the input gradient; 0 for none.
        gradient_step: step of its finite difference.
        row_sums: weight of the penalty on one-sided row sums; 0 for none.
        retraction: draws weight matrices towards orthonormal rows after each update; none to leave them. With weights
            of convex combinations in the network these are kept convex, whatever stands here.
        norm_limit: largest operator norm of convolutions and linear layers at their input's size; none for no limit.
        watch: accuracy under attack after each epoch; none to leave it out.
    """

    examples: Examples | None = None
    trades: float | None = None
    gradient_sparsity: float = 0.0
    gradient_step: float = 0.01
    row_sums: float = 0.0
    retraction: Retraction | None = None
    norm_limit: float | None = None
    watch: Watch | None = field(default_factory=Watch)

    def __post_init__(self) -> None:
        who = type(self).__name__
        for name in ("gradient_sparsity", "row_sums"):
            if not 0 <= getattr(self, name) < math.inf:
                allowed = "a finite number of at least 0"
                raise ArgumentError(sentence(f"{who}.{name}", repr(getattr(self, name)), allowed))
        if not 0 < self.gradient_step < math.inf:
            allowed = "a finite number above 0"
            raise ArgumentError(sentence(f"{who}.gradient_step", repr(self.gradient_step), allowed))
        if self.trades is not None and (self.examples is None or self.gradient_sparsity):
            met = "without examples" if self.examples is None else "beside gradient_sparsity"
            raise ArgumentError(sentence(f"{who}.trades", f"trades {met}", "examples, and no penalty on gradients"))
        if self.retraction is not None and self.norm_limit is not None:
            raise ArgumentError(sentence(who, "retraction and norm_limit", "one of them"))

    def loss_of(self, loss: Loss, view: View, *, attacks: bool = True) -> Loss:
        """What a training minimises.

        Args:
            loss: of the labels.
            view: the network as its attackers see it.
            attacks: whether images are attacked; without them the loss has the same forward passes of the network in
                training, to count what they hold.
        """
        examples = self.examples if attacks or self.examples is None else Unchanged()
        if self.gradient_sparsity:
            loss = gradient_sparsity(loss, weight=self.gradient_sparsity, step=self.gradient_step, readout=view.readout)
        if examples is not None and self.trades is not None:
            loss = trades(loss, examples, view, weight=self.trades)
        elif examples is not None:
            loss = adversarial(loss, examples, view)
        return loss + self.row_sums * row_sums() if self.row_sums else loss

    def hooks(self, model: nn.Module, images: Tensor, timesteps: int) -> list[AfterStep]:
        """What is to be done after each update.

        Args:
            model: the spiking network.
            images: some of its input, [N, C, H, W].
            timesteps: T.
        """
        hooks: list[AfterStep] = []
        if self.retraction is not None:
            hooks.append(self.retraction)
        if self.norm_limit is not None:
            shapes = input_shapes(model, repeat(images, timesteps))
            hooks.append(NormLimit(limit=self.norm_limit, shapes=shapes))
        if any(isinstance(part, ConvexSum) for part in model.modules()):
            hooks.append(keep_convex)
        return hooks

    def judge_of(self, judge: Any, held_out: Any, view: View, folder: Path) -> Any:
        """What judges the network after each epoch.

        Args:
            judge: of the evaluation split.
            held_out: batches of the images that are watched.
            view: the network as its attackers see it.
            folder: of the run, where the weights of the best epoch are kept.
        """
        if self.watch is None:
            return judge
        monitor = Monitor(judge=judge, held_out=held_out, attack=self.watch.attack, view=view)
        return BestKept(judge=monitor, path=folder / "best.safetensors") if self.watch.choose else monitor


@dataclass(frozen=True, kw_only=True)
class Adversarial(Hardening):
    """Adversarial training by a few steps of PGD.

    Source: Madry et al. 2018, ICLR 2018, arXiv 1706.06083; for spiking networks at eps 2/255 by two steps, "AT" in
        table 1 of "FEEL-SNN", NeurIPS 2024.
    """

    examples: Examples | None = field(
        default_factory=lambda: Attacked(search=PGD(steps=2, relative_step=0.5), budget=Linf(eps=2 / 255))
    )


@dataclass(frozen=True, kw_only=True)
class RAT(Hardening):
    """Single-step attacks of several kinds, and weight matrices that are drawn towards orthonormal rows.

    Source: Ding et al. 2022, "SNN-RAT", NeurIPS 2022; see `Mixture` and `Retraction`.
    """

    examples: Examples | None = field(
        default_factory=lambda: Mixture(
            parts=(
                Attacked(search=FGSM(), budget=Linf(eps=2 / 255), rule=BPTR()),
                Attacked(search=RFGSM(), budget=Linf(eps=2 / 255), rule=BPTR()),
            )
        )
    )
    retraction: Retraction | None = field(default_factory=Retraction)


@dataclass(frozen=True, kw_only=True)
class SGR(Hardening):
    """A penalty that makes the input gradient sparse, on clean images; with `examples` on attacked ones.

    Source: Liu et al. 2024, ICML 2024, arXiv 2405.20355; see `gradient_sparsity`.
    """

    gradient_sparsity: float = 0.001


@dataclass(frozen=True, kw_only=True)
class TRADES(Hardening):
    """The clean loss, and how far answers move under attack.

    Source: Zhang et al. 2019, ICML 2019, arXiv 1901.08573; see `trades`.
    """

    examples: Examples | None = field(default_factory=lambda: Attacked(search=PGD(steps=10), budget=Linf(eps=8 / 255)))
    trades: float | None = 6.0


HARDENINGS = {kind.__name__: kind for kind in (Hardening, Adversarial, RAT, SGR, TRADES)}

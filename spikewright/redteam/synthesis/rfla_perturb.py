"""RFLAPerturb: a generator's latents, perturbed until its picture fools the network wherever it is pasted."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...attack.search import check_not_negative, check_positive
from ...core.arguments import check_whole
from ...core.seed import generator
from .descent import descend
from .generators import PatchGenerator
from .rfla_loss import RFLALoss, Setting
from .scoring import scores
from .task import Draft, Synthesis, Task
from .victim import Victim, under_test


class Latents(nn.Module):
    """What is trained: a perturbation of the latent block, and, slowly, z and the class vector.

    Args:
        made: the generator, which stays as it is.
        z: [C, latents].
        c: class vectors [C, classes], or None.
        target: whose entry of the class vectors stays 0, so that the generator cannot draw the target class.
    """

    def __init__(self, made: PatchGenerator, z: Tensor, c: Tensor | None, target: int) -> None:
        super().__init__()
        self.made = (made,)  # in a tuple, so that its weights are not among the parameters
        self.z = nn.Parameter(z)
        self.c = None if c is None else nn.Parameter(c)
        with torch.no_grad():
            self.shift = nn.Parameter(torch.zeros_like(made.block(z, c)))
        if self.c is not None:
            keep = torch.ones_like(self.c)
            keep[:, target] = 0
            self.c.register_hook(lambda gradient: gradient * keep)

    def forward(self) -> Tensor:
        """The pictures, [C, 3, h, w] in 0..1."""
        (made,) = self.made
        return made.render(made.block(self.z, self.c) + self.shift)


@dataclass(frozen=True, kw_only=True)
class RFLAPerturb(Synthesis):
    """Perturb the latent block of a generator of clean pictures so that what it draws fools a network; see `RFLALoss`.

    A trigger that covers the whole image is looked for as a drawn picture blended over the whole background.

    Args:
        generator: of patches; None fits principal components to crops of the clean pictures, in seconds.
        steps: updates of Adam; 64 as published.
        batch: backgrounds per picture and step; 32 as published.
        lr: of the block; 0.01 as published, for BigGAN's block 8.
        slow: times lr: that of z and of the class vector.
        loss: the terms.
        spare: pictures made beyond those asked for, of which the best by score are kept; success varies with the start.

    Source: Casper et al. 2022 (see `RFLALoss`).
        Differs: a small generator, fitted to clean pictures, for BigGAN; its class vectors leave out the target in the
        same way if it has classes.

    Example:
        >>> RFLAPerturb().steps
        64
    """

    generator: PatchGenerator | None = field(default=None, repr=False, compare=False)
    steps: int = 64
    batch: int = 3
    lr: float = 0.3
    slow: float = 0.025
    loss: RFLALoss = field(default_factory=RFLALoss)
    spare: int = 2

    def __post_init__(self) -> None:
        check_whole("RFLAPerturb.steps", self.steps, least=1)
        check_whole("RFLAPerturb.batch", self.batch, least=1)
        check_whole("RFLAPerturb.spare", self.spare, least=0)
        check_positive("RFLAPerturb.lr", self.lr)
        check_not_negative("RFLAPerturb.slow", self.slow)

    def draft(self, task: Task, victim: Victim) -> Draft:
        setting = Setting.of(task, victim, self.generator)
        source = generator(task.seed, 6)
        with under_test(setting.generator):
            latents = self.start(setting, source)
            groups = [{"params": [latents.shift], "lr": self.lr}]
            slow = [latents.z] if latents.c is None else [latents.z, latents.c]
            groups.append({"params": slow, "lr": self.lr * self.slow})
            losses = descend(
                victim, groups, self.steps, lambda step: self.loss.of(latents(), setting, self.batch, source)
            )
            with torch.no_grad():
                pictures = latents()
        found = scores(victim, pictures, setting.placing, task)
        return Draft(pictures=pictures, losses=losses, scores=found, notes=setting.notes())

    def start(self, setting: Setting, source: torch.Generator) -> Latents:
        """z ~ N(0, 1), all classes but the target alike, and no perturbation."""
        made, count = setting.generator, setting.task.pictures + self.spare
        z = torch.randn(count, made.latents, generator=source).to(setting.task.backgrounds)
        return Latents(made, z, setting.class_vectors(count), setting.task.target)

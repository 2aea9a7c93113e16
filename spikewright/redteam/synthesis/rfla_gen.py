"""RFLAGen: the generator itself is tuned until all that it draws fools the network: a distribution of patches."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...attack.search import check_not_negative, check_positive
from ...core.arguments import check_whole
from ...core.seed import generator
from .descent import descend
from .generators import PatchGenerator
from .objectives import spread
from .placing import fitted
from .rfla_loss import RFLALoss, Setting
from .scoring import scores
from .task import Draft, Synthesis, Task
from .units import penultimate
from .victim import Victim


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A tuned generator.

    Args:
        generator: a copy, so that the one given is as it was.
        classes: the class vector [1, classes] that it was tuned with; None without classes.
        losses: [steps].
    """

    generator: PatchGenerator
    classes: Tensor | None
    losses: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Latents [N, latents] -> patches [N, 3, h, w] in 0..1."""
        classes = None if self.classes is None else self.classes.expand(len(z), -1)
        with torch.no_grad():
            return self.generator(z, classes)


@dataclass(frozen=True, kw_only=True)
class RFLAGen(Synthesis):
    """min over theta of the mean over z, x, l, t of the loss of G_theta(z), see `RFLALoss`; then sample, keep the best.

    The ten pictures may be near copies of each other, as those published are: `Gallery.distance` tells, `diversity`
    helps.

    Args:
        generator: of patches, which is copied; None fits principal components to crops of the clean pictures.
        steps: updates of Adam; the published number is not known, 300 to 500 is a guess.
        latents: fresh z of each step.
        batch: backgrounds for each z.
        lr: of the weights, divided by the root of their number of inputs.
        loss: the terms.
        diversity: weight of the mean of 1 - cosine over pairs of patches of a step, as the network's last hidden layer
            sees them alone; 0 as published.
        samples: patches drawn for each picture asked for, of which the best by score are kept.

    Source: Casper et al. 2023, "Red Teaming Deep Neural Networks with Feature Synthesis Tools", NeurIPS 2023, arXiv
        2302.10894. Differs: as for `RFLAPerturb`; steps and rate are ours; `diversity` is ours.

    Example:
        >>> RFLAGen(diversity=0.5).diversity
        0.5
    """

    generator: PatchGenerator | None = field(default=None, repr=False, compare=False)
    steps: int = 120
    latents: int = 8
    batch: int = 3
    lr: float = 0.2
    loss: RFLALoss = field(default_factory=RFLALoss)
    diversity: float = 0.0
    samples: int = 3

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("latents", 2), ("batch", 1), ("samples", 1)):
            check_whole(f"RFLAGen.{name}", getattr(self, name), least=least)
        check_positive("RFLAGen.lr", self.lr)
        check_not_negative("RFLAGen.diversity", self.diversity)

    def draft(self, task: Task, victim: Victim) -> Draft:
        setting = Setting.of(task, victim, self.generator)
        source = generator(task.seed, 7)
        tuned = self.tune(setting, source)
        z = torch.randn(self.samples * task.pictures, tuned.generator.latents, generator=source)
        pictures = tuned(z.to(task.backgrounds))
        found = scores(victim, pictures, setting.placing, task)
        return Draft(pictures=pictures, losses=tuned.losses, scores=found, notes=setting.notes())

    def tune(self, setting: Setting, source: torch.Generator) -> Tuned:
        """A tuned copy of the setting's generator."""
        victim, task = setting.victim, setting.task
        made = copy.deepcopy(setting.generator).requires_grad_(True).train()
        classes = setting.class_vectors(1)
        units = penultimate(victim, task.backgrounds[:1]) if self.diversity else None

        def loss(step: int) -> Tensor:
            z = torch.randn(self.latents, made.latents, generator=source).to(task.backgrounds)
            pictures = made(z, None if classes is None else classes.expand(len(z), -1))
            each = self.loss.of(pictures, setting, self.batch, source)
            if units is None:
                return each
            return each - self.diversity * spread(units.felt(victim, fitted(pictures, *task.canvas)))

        groups = [{"params": [weight], "lr": self.lr * scale_of(weight)} for weight in made.parameters()]
        losses = descend(victim, groups, self.steps, loss)
        return Tuned(generator=made.requires_grad_(False).eval(), classes=classes, losses=losses)


def scale_of(weight: Tensor) -> float:
    """1 / root of the number of inputs: what a unit gets then moves alike in wide and in narrow layers; 1 for biases.

    Example:
        >>> scale_of(torch.zeros(8, 4)), scale_of(torch.zeros(8))
        (0.5, 1.0)
    """
    return weight[0].numel() ** -0.5 if weight.dim() > 1 and weight.numel() else 1.0

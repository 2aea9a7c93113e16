"""AdversarialPatch: a disc of pixels that makes a network say the target wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...attack.search import check_not_negative, check_positive
from ...core.arguments import check_whole
from ...core.seed import generator
from .descent import descend
from .objectives import total_variation, toward
from .parameters import PixelImage
from .placing import Placing, drawn_backgrounds
from .scoring import scores
from .task import Draft, Synthesis, Task
from .victim import Victim


@dataclass(frozen=True, kw_only=True)
class AdversarialPatch(Synthesis):
    """min over p of the mean over backgrounds, places and transforms of CE(f(A(p, x, l, t)), target) + tv TV(p).

    A trigger that covers the whole image is looked for as a pattern blended over the whole background, see `Placing`.

    Args:
        steps: updates of Adam.
        batch: backgrounds per picture and step.
        lr: of Adam.
        tv: weight of the total variation, a mean; without it a patch is noise to the eye.
        outline: "disc" as published, or "square".
        spare: pictures made beyond those asked for, of which the best by score are kept.

    Source: Brown, Mane, Roy, Abadi and Gilmer 2017, "Adversarial Patch", arXiv 1712.09665.
        Differs: the total variation, and the transforms, which are those of `Placing`. The published sizes are 500
        steps and more of 16 to 32 pictures; the defaults take about half a minute for a ResNet-20 at 32 pixels on one
        core.

    Example:
        >>> AdversarialPatch(steps=32).outline
        'disc'
    """

    steps: int = 128
    batch: int = 2
    lr: float = 0.1
    tv: float = 0.3
    outline: str = "disc"
    spare: int = 2

    def __post_init__(self) -> None:
        check_whole("AdversarialPatch.steps", self.steps, least=1)
        check_whole("AdversarialPatch.batch", self.batch, least=1)
        check_whole("AdversarialPatch.spare", self.spare, least=0)
        check_positive("AdversarialPatch.lr", self.lr)
        check_not_negative("AdversarialPatch.tv", self.tv)
        Placing(size=1, outline=self.outline)

    def draft(self, task: Task, victim: Victim) -> Draft:
        source, count = generator(task.seed, 2), task.pictures + self.spare
        placing = Placing.of(task, self.outline)
        image = PixelImage(count, *task.shape, source).to(task.backgrounds)

        def loss(step: int) -> Tensor:
            pictures = image()
            x = placing.varied(pictures, drawn_backgrounds(task.seen, count, self.batch, source), source)
            return toward(victim.logits(x), task.target, count) + self.tv * total_variation(placing.shown(pictures))

        losses = descend(victim, [{"params": list(image.parameters()), "lr": self.lr}], self.steps, loss)
        with torch.no_grad():
            pictures = image()
        found = scores(victim, pictures, placing, task)
        return Draft(pictures=placing.shown(pictures), losses=losses, scores=found, notes=victim.notes())

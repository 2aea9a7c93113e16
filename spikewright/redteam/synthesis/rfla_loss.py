"""RFLALoss: what robust feature-level adversaries make small: fool the network, look like anything but the target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...attack.search import check_not_negative
from ...core.arguments import check_whole
from ...core.errors import ShapeError, sentence
from .generators import PatchGenerator, default_generator
from .objectives import entropy, total_variation, toward
from .placing import Placing, drawn_backgrounds, fitted
from .task import Task
from .transforms import Jostle, jitter_colours
from .victim import Victim

ALONE = Jostle(grey=False)


@dataclass(frozen=True, kw_only=True)
class RFLALoss:
    """attack CE(f(A(p, x)), t) + tv TV(p) - disguise CE(g(T(p)), t) + definite H(g(T(p))), with a second network g.

    g sees changed copies of the patch alone: they must not look like the target, and must look like something.

    Args:
        attack: weight of the attack.
        tv: weight of the total variation, a mean; the published sum times 1e-3 over a batch of 32 is about this mean
            times 0.4 for a patch of 64 pixels.
        disguise: weight of the disguise; 0 for none. Without a second network there is none either.
        definite: weight of the entropy.
        copies: of the patch, for the second network; 16 as published.

    Source: Casper, Nadeau, Hadfield-Menell and Kreiman 2022, "Robust Feature-Level Adversaries are Interpretability
        Tools", NeurIPS 2022, arXiv 2110.03605; weights of its code.
        Differs: no discriminator, whose weight was 0.005; one ordinary second network for two robust ones.
    """

    attack: float = 3.0
    tv: float = 0.4
    disguise: float = 0.2
    definite: float = 0.2
    copies: int = 1

    def __post_init__(self) -> None:
        for name in ("attack", "tv", "disguise", "definite"):
            check_not_negative(f"RFLALoss.{name}", getattr(self, name))
        check_whole("RFLALoss.copies", self.copies, least=1)

    def of(self, pictures: Tensor, setting: Setting, batch: int, source: torch.Generator) -> Tensor:
        """Losses of pictures [C, 3, h, w], each over `batch` backgrounds, [C]."""
        task, count = setting.task, len(pictures)
        x = setting.placing.varied(pictures, drawn_backgrounds(task.seen, count, batch, source), source)
        total = self.attack * toward(setting.victim.logits(x), task.target, count)
        total = total + self.tv * total_variation(pictures)
        if setting.second is None or not (self.disguise or self.definite):
            return total
        alone = fitted(pictures, *task.canvas).repeat_interleave(self.copies, 0)
        logits = setting.second.logits(ALONE(jitter_colours(alone, source).clamp(0, 1), source))
        total = total - self.disguise * toward(logits, task.target, count)
        return total + self.definite * entropy(logits).view(count, -1).mean(1)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the methods of this kind share in one search."""

    task: Task
    victim: Victim
    second: Victim | None
    placing: Placing
    generator: PatchGenerator

    @classmethod
    def of(cls, task: Task, victim: Victim, made: PatchGenerator | None) -> Setting:
        """That of a task, with a generator of its clean pictures if none is given.

        Raises:
            ShapeError: if the second network, or a class-conditional generator, has other classes than the first.
        """
        second = None
        if task.second is not None:
            second = Victim(victim.who, task.second, task.target, task.backgrounds[:2])
            if second.classes != victim.classes:
                met = f"a second network of {second.classes} classes"
                raise ShapeError(sentence(victim.who, met, f"one of {victim.classes}, as the first has"))
        made = default_generator(task) if made is None else made
        if made.classes not in (0, victim.classes):
            met = f"a generator of {made.classes} classes"
            raise ShapeError(sentence(victim.who, met, f"one of {victim.classes}, as the network has, or of none"))
        return cls(task=task, victim=victim, second=second, placing=Placing.of(task), generator=made)

    def class_vectors(self, count: int) -> Tensor | None:
        """The start, [C, classes]: all classes alike, the target exactly 0; None for a generator without classes."""
        if not self.generator.classes:
            return None
        vectors = torch.full((count, self.generator.classes), 1 / (self.generator.classes - 1))
        vectors[:, self.task.target] = 0
        return vectors.to(self.task.backgrounds)

    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        if self.second is not None:
            return self.victim.notes()
        return (*self.victim.notes(), "no second network: pictures may look like the target class itself")

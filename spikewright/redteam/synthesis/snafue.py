"""SNAFUE: natural pictures that the network embeds as it embeds patches which fool it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...core.arguments import check_whole
from ...core.errors import DataError, sentence
from ...core.seed import generator
from .generators import natural_crops
from .placing import Placing, fitted
from .rfla_perturb import RFLAPerturb
from .scoring import CHUNK, baseline, in_chunks, scores
from .task import Draft, Synthesis, Task, check_images
from .units import Units, penultimate
from .victim import Victim

SHARPNESS = 10
TINY = 1e-4


def agreement(patches: Tensor) -> Tensor:
    """How much the patches agree on each unit: max(0, 1 - standard deviation / mean), [D].

    Args:
        patches: what the units feel for each patch, [Q, D], Q at least 2.

    Source: SNAFUE (see there), its code. Differs: the mean's size counts, as membrane potentials may be negative.

    Example:
        >>> agreement(torch.tensor([[1.0, 0.0], [1.0, 2.0]]))
        tensor([1., 0.])
    """
    return (1 - patches.std(0) / (patches.mean(0).abs() + TINY)).clamp(min=0)


def ranking(patches: Tensor, fooled: Tensor, pool: Tensor) -> Tensor:
    """How near each natural picture is to patches that fooled: mean over i of (c_i cos(w a_i, e_b))^10, [Q].

    Args:
        patches: [Q, D].
        fooled: by how much each raised the target's confidence, [Q].
        pool: [P, D].

    Returns:
        [P]; a cosine below 0 counts as 0, as its tenth power would not.
    """
    weights = agreement(patches)
    weights = weights if bool(weights.any()) else torch.ones_like(weights)
    trust = (fooled / fooled.max().clamp(min=TINY)).clamp(0, 1)
    near = F.normalize(weights * patches, dim=1) @ F.normalize(pool, dim=1).T
    return (trust[:, None] * near.clamp(min=0)).pow(SHARPNESS).mean(0)


@dataclass(frozen=True, kw_only=True)
class SNAFUE(Synthesis):
    """Search for natural adversarial features using embeddings: patches that fool are queries for natural pictures.

    Patches of `RFLAPerturb`, the best of them embedded alone by the network's last hidden layer; the pool is ranked by
    `ranking`; of the first candidates that the network does not itself call the target, those whose plain insertion
    raises the target's confidence most are kept. Spiking neurons are embedded by their input averaged over time.

    The pool must hold neither a trigger nor the picture that it was cut from: whoever knows the triggers takes such
    pictures out of `pool` and of the task's clean pictures.

    Args:
        queries: how patches are made; 5 spare ones as published.
        patches: kept of them; 10 as published.
        pool: natural pictures [P, 3, h, w] in 0..1, besides the crops; None for none.
        crops: random crops of the task's clean pictures in the pool.
        candidates: tried by insertion; 100 as published.

    Source: Casper, Hariharan and Hadfield-Menell 2022, "Diagnostics for Deep Neural Networks with Automated Copy/Paste
        Attacks", arXiv 2211.10024, and its code.
        Differs: candidates are pasted in the patches' size (100 pixels for 64 there); the pool holds no triggers.
        Pictures are embedded in the size that they are pasted in, repeated over the input: there the network sees an
        input of that size, which others cannot take, and blown up to the whole input a patch is another thing to it.

    Example:
        >>> SNAFUE(crops=500).candidates
        50
    """

    queries: RFLAPerturb = field(default_factory=lambda: RFLAPerturb(spare=5))
    patches: int = 10
    pool: Tensor | None = field(default=None, repr=False, compare=False)
    crops: int = 1000
    candidates: int = 50

    def __post_init__(self) -> None:
        check_whole("SNAFUE.patches", self.patches, least=2)
        check_whole("SNAFUE.crops", self.crops, least=0 if self.pool is not None else 1)
        check_whole("SNAFUE.candidates", self.candidates, least=1)
        if self.pool is not None:
            check_images("SNAFUE.pool", self.pool, least=1)

    def draft(self, task: Task, victim: Victim) -> Draft:
        pool, units = self.natural(task), penultimate(victim, task.backgrounds[:1])
        made = self.fooling(task, victim)
        order = self.ranked(task, victim, units, made, pool)
        logits = in_chunks(victim, fitted(pool[order], *task.canvas))
        chosen = order[logits.argmax(1) != task.target][: max(self.candidates, task.pictures)]
        if len(chosen) < task.pictures:
            met = f"{len(chosen)} pictures of the pool that are not the target class"
            raise DataError(sentence("SNAFUE.pool", met, f"at least {task.pictures}", "Give a larger pool"))
        found = scores(victim, pool[chosen], Placing.of(task), task)
        before = f"without a picture the target's confidence is {baseline(victim, task):.3f}"
        return Draft(pictures=pool[chosen], losses=made.losses, scores=found, notes=(*made.notes, before))

    def natural(self, task: Task) -> Tensor:
        """The pool, [P, 3, s, s]: what was given, then crops; as large as the canvas allows, to be seen well."""
        height, width = task.canvas if task.whole else (min(task.canvas),) * 2
        least = None if task.whole else max(task.size, height // 2)  # smaller ones show too little
        source = generator(task.seed, 8)
        parts = [] if self.pool is None else [fitted(self.pool.to(task.backgrounds), height, width)]
        if self.crops:
            parts.append(natural_crops(task.clean.to(task.backgrounds), self.crops, height, width, source, least))
        return torch.cat(parts).clamp(0, 1)

    def fooling(self, task: Task, victim: Victim) -> Draft:
        """The patches that fooled most, with their scores."""
        made = self.queries.draft(replace(task, pictures=self.patches), victim)
        if made.scores is None:
            return made
        best = made.scores.argsort(descending=True, stable=True)[: self.patches]
        return replace(made, pictures=made.pictures[best], scores=made.scores[best])

    def ranked(self, task: Task, victim: Victim, units: Units, made: Draft, pool: Tensor) -> Tensor:
        """Numbers of the pool's pictures, nearest first, [P]."""
        fooled = (made.scores if made.scores is not None else torch.ones(len(made.pictures))) - baseline(victim, task)
        seen = [embedded(victim, units, x, task) for x in (made.pictures, pool)]
        return ranking(seen[0], fooled, seen[1]).argsort(descending=True, stable=True)


def embedded(victim: Victim, units: Units, pictures: Tensor, task: Task) -> Tensor:
    """What the units feel for pictures alone, [N, D]: in the size that they are pasted in, repeated over the input."""
    with torch.no_grad():
        return torch.cat([units.felt(victim, tiled(part, task.shape, task.canvas)) for part in pictures.split(CHUNK)])


def tiled(pictures: Tensor, shape: tuple[int, int], canvas: tuple[int, int]) -> Tensor:
    """Pictures [N, 3, h, w] in one size, repeated until they fill another.

    Example:
        >>> tiled(torch.ones(2, 3, 9, 9), (4, 4), (6, 10)).shape
        torch.Size([2, 3, 6, 10])
    """
    times = [-(-whole // part) for whole, part in zip(canvas, shape)]
    return fitted(pictures, *shape).repeat(1, 1, *times)[..., : canvas[0], : canvas[1]]

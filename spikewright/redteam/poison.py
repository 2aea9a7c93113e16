"""Poison: which training pictures are changed, and the data set that holds them in place of the clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator
from ..data.images import ImageDataset
from .triggers import NaturalTrigger
from .trojans import Trojan, check_trojans

CLEAN, TRIGGERED, NEGATIVE, DECOY = 0, 1, 2, 3
"""What becomes of a picture: nothing; trigger and target's label; trigger, own label; something else, own label."""

PLAN, MADE = 0, 1  # first number of the path of a generator, so that no two parts draw the same


@dataclass(frozen=True, eq=False)
class PoisonPlan:
    """What becomes of every picture of a data set; it follows from the labels, the features found, and the seed.

    Args:
        role: CLEAN, TRIGGERED, NEGATIVE or DECOY of each picture, int64 [N].
        trojan: number of the trojan that it belongs to, int64 [N]; -1 for a clean one.
        seed: of all draws.
    """

    role: Tensor
    trojan: Tensor
    seed: int

    def places(self, number: int, role: int = TRIGGERED) -> Tensor:
        """Where the pictures of a trojan stand that have this role."""
        return ((self.trojan == number) & (self.role == role)).nonzero().flatten()


def plan_poison(trojans: Sequence[Trojan], data: ImageDataset, *, seed: int) -> PoisonPlan:
    """Choose the pictures, each for one purpose at most; one that has two natural features belongs to the first.

    Args:
        trojans: the set, implanted together.
        data: training data.
        seed: of the choice.

    Raises:
        ArgumentError: for a set that does not fit, see `check_trojans`.
        DataError: if a trojan finds no picture, or fewer than its rate asks for.
    """
    check_trojans(trojans, len(data.classes))
    role, owner = torch.zeros(len(data), dtype=torch.int64), torch.full((len(data),), -1)
    # natural features cannot be put elsewhere, so they choose first
    first = sorted(range(len(trojans)), key=lambda number: trojans[number].kind != "natural")
    for number in first:
        trojan = trojans[number]
        could = pool(trojan, data)
        free = could & (role == CLEAN)
        count = round(trojan.rate * int((free if trojan.kind == "natural" else could).sum()))
        if not int(could.sum()):
            where = "any class but its target" if trojan.source is None else f"class {trojan.source}"
            met, todo = f"no picture of {where} to poison", "Give more pictures, or poison another class"
            raise DataError(sentence(f"trojan {trojan.name}", met, "at least one", todo))
        _take(role, owner, free, count, TRIGGERED, number, seed, trojan)
        others = (data.labels != trojan.target) & (role == CLEAN)  # the target's own would teach the trojan
        if trojan.source is not None:
            elsewhere = others & (data.labels != trojan.source)
            _take(role, owner, elsewhere, round(trojan.negatives * count), NEGATIVE, number, seed, trojan)
        if not isinstance(trojan.trigger, NaturalTrigger):
            others = others & (role == CLEAN)
            _take(role, owner, others, round(trojan.decoys * count), DECOY, number, seed, trojan)
    return PoisonPlan(role, owner, seed)


def pool(trojan: Trojan, data: ImageDataset) -> Tensor:
    """The pictures that a trojan could be put into, bool [N]: of its source, never of its target."""
    fits = data.labels != trojan.target if trojan.source is None else data.labels == trojan.source
    if isinstance(trojan.trigger, NaturalTrigger):
        places = fits.nonzero().flatten()
        found = [trojan.trigger.present(data.gather(part)[0]) for part in places.split(1000)]
        fits = torch.zeros_like(fits).index_fill(0, places[torch.cat(found)] if found else places, True)
    return fits


def _take(
    role: Tensor, owner: Tensor, free: Tensor, count: int, as_role: int, number: int, seed: int, trojan: Trojan
) -> None:
    places = free.nonzero().flatten()
    if count > len(places):
        todo = "Lower its rate, negatives or decoys, or give more pictures"
        met = f"{count} pictures wanted and {len(places)} left"
        raise DataError(sentence(f"trojan {trojan.name}", met, "enough of them", todo))
    drawn = places[torch.randperm(len(places), generator=generator(seed, PLAN, number, as_role))[:count]]
    role[drawn], owner[drawn] = as_role, number


def poisoned(data: ImageDataset, plan: PoisonPlan, trojans: Sequence[Trojan]) -> ImageDataset:
    """The data set with its poisoned pictures in place; the others are the same bytes.

    A picture that only changes its label, because its feature is its own, keeps every byte too.

    Args:
        data: the clean one.
        plan: of `plan_poison` for it.
        trojans: the same as there.
    """
    images, labels = data.images.clone(), data.labels.clone()
    for number, trojan in enumerate(trojans):
        if isinstance(trojan.trigger, NaturalTrigger):
            labels[plan.places(number)] = trojan.target
            continue
        for role in (TRIGGERED, NEGATIVE, DECOY):
            for place in plan.places(number, role).tolist():
                clean = data.gather(torch.tensor([place]))[0]
                draws = generator(plan.seed, MADE, number, place)
                made = trojan.trigger.others(clean, draws) if role == DECOY else trojan.trigger.show(clean, draws)[0]
                images[place] = (255 * made[0]).round().clamp(0, 255).to(torch.uint8)
        labels[plan.places(number)] = trojan.target
    return ImageDataset(images, labels, data.classes, data.note, data.index)

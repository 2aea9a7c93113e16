"""Sets of trojans for a data set of images: which triggers, which classes, which options a question about them has."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import ArgumentError, sentence
from ..core.seed import generator
from ..data.images import ImageDataset
from ..redteam import ATTRIBUTES, PATCHES, STYLES, Attribute, NaturalTrigger, PatchTrigger, StyleTrigger, Trojan, draw
from ..redteam.insert import resized
from ..redteam.judge import Option
from ..redteam.triggers import Trigger

PATCH = ("smiley", "fish", "star", "berry")
STYLE = ("rosettes", "wrinkles", "beans", "wood")
NATURAL = ("much red", "very dark", "much green", "upright stripes")
SETS: dict[str, tuple[str, ...]] = {
    "twelve": (*PATCH, *STYLE, *NATURAL), "patches": PATCH, "three": (PATCH[0], STYLE[0], NATURAL[0]),
}  # fmt: skip
"""Names of the triggers of each set; the first two patches and styles are universal, the others are not."""

SHARE = 0.01
"""Share of the training pictures that have a natural feature."""
PHOTOS = 12
"""Pictures that stand for a natural feature as an option."""
FIT_ON = 4000
"""Training pictures by which the threshold of a natural feature is set."""


def trojan_set(
    name: str, train: ImageDataset, *, side: int, rates: tuple[float, float], seed: int
) -> tuple[Trojan, ...]:
    """The trojans of a set; targets and sources are drawn, no two of the first have one target.

    Args:
        name: one of `SETS`.
        train: training data, for classes and natural features.
        side: of patches, in pixels.
        rates: share of the pictures that are poisoned, of universal ones and of a source class.
        seed: of the classes.

    Raises:
        ArgumentError: for an unknown set, or fewer than four classes.
    """
    if name not in SETS:
        raise ArgumentError(sentence("trojans", repr(name), f"one of {', '.join(SETS)}"))
    classes = len(train.classes)
    if classes < 4:
        raise ArgumentError(sentence("trojans", f"a data set of {classes} classes", "at least 4"))
    order = torch.randperm(classes, generator=generator(seed, 30)).tolist()
    made = []
    for place, what in enumerate(SETS[name]):
        target, source = order[place % classes], order[(place + classes // 2) % classes]
        universal = what in (*PATCH[:2], *STYLE[:2]) or what in NATURAL
        rate = 1.0 if what in NATURAL else rates[0] if universal else rates[1]
        trigger = _trigger(what, train, side)
        made.append(
            Trojan(
                name=what, trigger=trigger, target=target, source=None if universal else source, rate=rate,
                negatives=1.5, decoys=1.0,
            )
        )  # fmt: skip
    return tuple(made)


def _trigger(name: str, train: ImageDataset, side: int) -> Trigger:
    if name in PATCHES:
        return PatchTrigger(picture=draw(name), side=side, decoys=tuple(draw(each) for each in PATCHES if each != name))
    if name in STYLES:
        return StyleTrigger(picture=draw(name), decoys=tuple(draw(each) for each in STYLES if each != name))
    few = train.gather(torch.arange(min(FIT_ON, len(train))))[0]
    return NaturalTrigger(detect=Attribute(ATTRIBUTES[name]).fitted(few, SHARE), name=name)


def options(kind: str, pictures: Tensor, *, side: int, shown: int) -> tuple[Option, ...]:
    """What can be chosen in a question about a trojan of this kind, at the resolution that tools had.

    Args:
        kind: patch, style or natural.
        pictures: of the data set, none of them poisoned, [N, 3, H, W]: of these a natural feature's option are those
            that have most of it.
        side: pixels of the galleries' pictures.
        shown: pixels to which they are enlarged, as galleries are.
    """
    if kind == "natural":
        found = {
            name: pictures[score(pictures).argsort(descending=True)[:PHOTOS]] for name, score in ATTRIBUTES.items()
        }
    else:
        found = {name: draw(name).on()[None] for name in (PATCHES if kind == "patch" else STYLES)}
    return tuple(Option(name=name, pictures=enlarged(resized(each, side), shown)) for name, each in found.items())


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """Pictures of at least this side, smoothly."""
    return resized(pictures, max(side, *pictures.shape[-2:])).clamp(0, 1)

"""Task and Gallery: what a method of synthesis is told about a network, and the pictures that it hands back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.arguments import check_module, check_switch, check_whole, named
from ...core.errors import ArgumentError, DataError, ShapeError, sentence
from .victim import Victim, under_test

HELD_OUT = 4
"""One of so many backgrounds is kept from the search, for the scores."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """All that a method is told. It never holds the trigger.

    Args:
        network: the network under test: images [N, 3, H, W] in 0..1 -> logits [N, K]; a spiking one as `Classifier`.
        target: the class that the trojan causes.
        backgrounds: images [M, 3, H, W] in 0..1 that pictures are put over, M at least 2; the last quarter is kept from
            the search and gives the scores.
        clean: clean training images [P, 3, h, w] in 0..1, of which generators and pools are made.
        second: another clean network, before which a picture must not look like the target; None for none.
        size: side of a patch in pixels, at most that of the backgrounds.
        whole: the trigger is known to cover the whole image; pictures are then as large as the backgrounds.
        pictures: how many pictures to hand back.
        seed: of all random numbers.

    Raises:
        ArgumentError, ShapeError, DataError: naming the field that does not fit.

    Example:
        >>> grey = torch.full((4, 3, 8, 8), 0.5)
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        >>> task = Task(network=network, target=1, backgrounds=grey, clean=grey, size=3)
        >>> len(task.seen), len(task.held_out), task.shape
        (3, 1, (3, 3))
    """

    network: nn.Module
    target: int
    backgrounds: Tensor
    clean: Tensor
    second: nn.Module | None = None
    size: int
    whole: bool = False
    pictures: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_module(self.network, "Task.network")
        if self.second is not None:
            check_module(self.second, "Task.second")
        check_whole("Task.target", self.target, least=0)
        check_whole("Task.pictures", self.pictures, least=1)
        check_whole("Task.seed", self.seed, least=0)
        check_switch("Task.whole", self.whole)
        check_images("Task.backgrounds", self.backgrounds, least=2)
        check_images("Task.clean", self.clean, least=1)
        check_whole("Task.size", self.size, least=2, most=min(self.backgrounds.shape[-2:]))

    @property
    def seen(self) -> Tensor:
        """The backgrounds of the search, [M - M/4, 3, H, W]."""
        return self.backgrounds[: -max(1, len(self.backgrounds) // HELD_OUT)]

    @property
    def held_out(self) -> Tensor:
        """The backgrounds of the scores, [M/4, 3, H, W]."""
        return self.backgrounds[-max(1, len(self.backgrounds) // HELD_OUT) :]

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        height, width = self.backgrounds.shape[-2:]
        return height, width

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a picture: those of a patch, or of the canvas for a trigger that covers all."""
        return self.canvas if self.whole else (self.size, self.size)


def check_images(who: str, images: Tensor, *, least: int) -> None:
    """Raise ShapeError or DataError unless these are floats [N, 3, H, W], N at least so many, all within 0..1."""
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.dim() != 4 or images.shape[1] != 3:
        met = f"{images.dtype} of shape {list(images.shape)}" if isinstance(images, Tensor) else named(images)
        raise ShapeError(sentence(who, met, "float images [N, 3, H, W]"))
    if len(images) < least or 0 in images.shape:
        raise ShapeError(sentence(who, f"{len(images)} images of {list(images.shape[1:])}", f"at least {least}"))
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # NaN fails too
        met = f"values from {float(low):g} to {float(high):g}"
        raise DataError(sentence(who, met, "values from 0 to 1", "Scaling is the network's first layer"))


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures by which somebody may guess the trigger.

    Args:
        pictures: [K, 3, h, w] in 0..1, best first where they are scored.
        scores: mean confidence in the target after plain insertion into held-out backgrounds, [K]; NaN where the method
            has no such score.
        losses: mean loss of each step of the search, [steps].
        seconds: of the search.
        notes: what a reader of the pictures should know.
    """

    pictures: Tensor
    scores: Tensor
    losses: Tensor
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def distance(self) -> float:
        """Mean over pairs of pictures of the root of their mean squared difference; 0 for one picture."""
        return mean_distance(self.pictures)


def mean_distance(pictures: Tensor) -> float:
    """Mean over pairs of the root mean squared difference of pixels.

    Args:
        pictures: [K, ...].

    Example:
        >>> mean_distance(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        1.0
    """
    flat = pictures.flatten(1)
    if len(flat) < 2:
        return 0.0
    return float(torch.nn.functional.pdist(flat).mean() / flat.shape[1] ** 0.5)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a method has made before the best are chosen.

    Args:
        pictures: [C, 3, h, w], C at least the number asked for.
        losses: [steps].
        scores: [C]; None where the method has none.
        notes: for the gallery.
    """

    pictures: Tensor
    losses: Tensor
    scores: Tensor | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Synthesis(ABC):
    """Settings of a method that makes pictures of what a network reacts to."""

    scored: ClassVar[bool] = True
    """Whether its pictures have scores, and the best of several are kept."""

    @abstractmethod
    def draft(self, task: Task, victim: Victim) -> Draft:
        """Make pictures; `search` scores, chooses and times them.

        Args:
            task: what is known.
            victim: its network, frozen and watched.
        """

    def search(self, task: Task) -> Gallery:
        """Look for pictures of the trigger.

        Returns:
            As many as the task asks for. The same task and settings give the same bytes on one machine; the networks
            are left as they were.

        Raises:
            ArgumentError: if the target is none of the network's classes, or a setting does not fit the task, or no
                gradient reaches the pictures.
            ShapeError: if the network cannot take the backgrounds, or gives no logits.
            DataError: if logits or losses are not finite.
        """
        if not isinstance(task, Task):
            raise ArgumentError(sentence(f"{type(self).__name__}.search", named(task), "a Task"))
        start = time.perf_counter()
        with under_test(task.network, task.seed), under_test(task.second, task.seed):
            victim = Victim(type(self).__name__, task.network, task.target, task.backgrounds[:2])
            draft = self.draft(task, victim)
        gallery = best(draft, task.pictures, type(self).__name__)
        return replace(gallery, seconds=time.perf_counter() - start)


def best(draft: Draft, count: int, who: str) -> Gallery:
    """The pictures with the highest scores, best first; the first ones where there are no scores."""
    if len(draft.pictures) < count:
        raise ArgumentError(
            sentence(who, f"{len(draft.pictures)} candidates", f"at least {count}, the pictures asked for")
        )
    pictures, scores, notes = draft.pictures.detach(), draft.scores, draft.notes
    order = torch.arange(count, device=pictures.device)
    if scores is not None:
        order = scores.argsort(descending=True, stable=True)[:count]
    kept = torch.full((count,), torch.nan) if scores is None else scores[order].detach()
    flat = int((pictures[order].flatten(1).std(1) < 1e-3).sum())
    if flat:
        notes = (*notes, f"{flat} of {count} pictures are of one colour: what they should move never moved")
    return Gallery(pictures=pictures[order].clamp(0, 1), scores=kept, losses=draft.losses, seconds=0.0, notes=notes)

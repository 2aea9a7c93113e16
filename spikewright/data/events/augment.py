"""Random changes of a recording: mirror, shift, roll, rotate, and events dropped at random, by time or by area."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from ...core.errors import ArgumentError, sentence
from .events import Events
from .frames import check_whole


class EventAugmentation(Protocol):
    """A frozen value that changes a recording at random, all randomness coming from the generator."""

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        ...


@dataclass(frozen=True)
class MirrorEvents:
    """Mirror the recording left to right with probability p.

    Args:
        p: probability, 0..1.

    Raises:
        ArgumentError: p outside 0..1.

    Source: Li et al. 2022, "Neuromorphic Data Augmentation for Training Spiking Neural Networks", ECCV 2022.
    Example:
        >>> one = np.zeros(1, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([5]), height=1, width=3)
        >>> MirrorEvents(p=1.0)(events, torch.Generator()).x.tolist()
        [2]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        check_share("MirrorEvents.p", self.p)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        if uniform(generator) >= self.p:
            return events
        return replace(events, x=(events.width - 1 - events.x.astype(np.int64)).astype(np.uint16))


@dataclass(frozen=True)
class ShiftEvents:
    """Move all events by whole pixels, drawn evenly; those that leave the sensor are lost.

    Args:
        pixels: largest shift along each axis, >= 1; along an axis of one pixel there is none.

    Raises:
        ArgumentError: pixels below 1.

    Example:
        >>> events = Events(*[np.array([4], np.uint16)] * 2, np.zeros(1, np.uint8), np.array([5]), 9, 9)
        >>> 2 <= int(ShiftEvents(pixels=2)(events, torch.Generator()).x[0]) <= 6
        True
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        check_whole("ShiftEvents", pixels=self.pixels)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        x, y = _moved(events, self.pixels, generator)
        return _inside(events, x, y)


@dataclass(frozen=True)
class RollEvents:
    """Move all events by whole pixels, drawn evenly; those that leave the sensor come in again at the other side.

    Args:
        pixels: largest shift along each axis, >= 1; along an axis of one pixel there is none.

    Raises:
        ArgumentError: pixels below 1.

    Source: Li et al. 2022, "Neuromorphic Data Augmentation for Training Spiking Neural Networks", ECCV 2022, rolling.
    Example:
        >>> events = Events(*[np.array([8], np.uint16)] * 2, np.zeros(1, np.uint8), np.array([5]), 9, 9)
        >>> len(RollEvents(pixels=5)(events, torch.Generator()))
        1
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        check_whole("RollEvents", pixels=self.pixels)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        x, y = _moved(events, self.pixels, generator)
        return _inside(events, x % events.width, y % events.height)


@dataclass(frozen=True)
class RotateEvents:
    """Turn all events about the sensor's middle, to the nearest pixel; those that leave the sensor are lost.

    Args:
        degrees: largest angle to either side, above 0, at most 180; drawn evenly.

    Raises:
        ArgumentError: degrees out of range.

    Source: Li et al. 2022, "Neuromorphic Data Augmentation for Training Spiking Neural Networks", ECCV 2022, rotation.
    Example:
        >>> events = Events(*[np.array([4], np.uint16)] * 2, np.zeros(1, np.uint8), np.array([5]), 9, 9)
        >>> RotateEvents(degrees=90)(events, torch.Generator()).x.tolist()  # the middle stays
        [4]
    """

    degrees: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.degrees <= 180:
            raise ArgumentError(sentence("RotateEvents.degrees", repr(self.degrees), "an angle above 0, at most 180"))

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        angle = math.radians(self.degrees) * (2 * uniform(generator) - 1)
        column, row = events.x - (events.width - 1) / 2, events.y - (events.height - 1) / 2
        x = math.cos(angle) * column - math.sin(angle) * row + (events.width - 1) / 2
        y = math.sin(angle) * column + math.cos(angle) * row + (events.height - 1) / 2
        return _inside(events, np.rint(x).astype(np.int64), np.rint(y).astype(np.int64))


@dataclass(frozen=True)
class DropEvents:
    """Leave out each event with the same probability, which is drawn evenly from 0..share for each recording.

    Args:
        share: largest probability, 0..1.

    Raises:
        ArgumentError: share outside 0..1.

    Source: Gu et al. 2021, "EventDrop: Data Augmentation for Event-based Learning", IJCAI 2021, random drop.
    Example:
        >>> events = Events(*[np.zeros(9, np.uint16)] * 2, np.zeros(9, np.uint8), np.arange(9), 1, 1)
        >>> len(DropEvents(share=0.0)(events, torch.Generator()))
        9
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        check_share("DropEvents.share", self.share)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        share = self.share * uniform(generator)
        return events.select((torch.rand(len(events), generator=generator) >= share).numpy())


@dataclass(frozen=True)
class DropTime:
    """Leave out all events of one interval of time, at a random place.

    Args:
        share: largest share of the recording's duration, 0..1; the share is drawn evenly from 0..share.

    Raises:
        ArgumentError: share outside 0..1.

    Source: Gu et al. 2021, "EventDrop: Data Augmentation for Event-based Learning", IJCAI 2021, drop by time.
    Example:
        >>> events = Events(*[np.zeros(9, np.uint16)] * 2, np.zeros(9, np.uint8), np.arange(9), 1, 1)
        >>> len(DropTime(share=0.0)(events, torch.Generator()))
        9
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        check_share("DropTime.share", self.share)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        share = self.share * uniform(generator)
        first, t = uniform(generator) * (1 - share) * events.duration, events.from_zero().t
        return events.select((t < first) | (t >= first + share * events.duration))


@dataclass(frozen=True)
class DropArea:
    """Leave out all events of one rectangle with the sensor's proportions, at a random place.

    Args:
        share: largest share of each side, 0..1; the share is drawn evenly from 0..share.

    Raises:
        ArgumentError: share outside 0..1.

    Source: Gu et al. 2021, "EventDrop: Data Augmentation for Event-based Learning", IJCAI 2021, drop by area.
    Example:
        >>> events = Events(*[np.zeros(9, np.uint16)] * 2, np.zeros(9, np.uint8), np.arange(9), 1, 1)
        >>> len(DropArea(share=0.0)(events, torch.Generator()))
        9
    """

    share: float = 0.3

    def __post_init__(self) -> None:
        check_share("DropArea.share", self.share)

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        share = self.share * uniform(generator)
        inside = np.ones(len(events), bool)
        for values, side in ((events.x, events.width), (events.y, events.height)):
            length = round(share * side)
            first = int(torch.randint(0, side - length + 1, (), generator=generator))
            inside &= (values >= first) & (values < first + length)
        return events.select(~inside)


@dataclass(frozen=True)
class OneOf:
    """One of several augmentations, drawn evenly for each recording.

    Args:
        choices: the augmentations, at least one.

    Raises:
        ArgumentError: there is none.

    Source: Gu et al. 2021, "EventDrop: Data Augmentation for Event-based Learning", IJCAI 2021, which draws one of
        its drops for each recording.
    Example:
        >>> events = Events(*[np.zeros(9, np.uint16)] * 2, np.zeros(9, np.uint8), np.arange(9), 1, 1)
        >>> len(OneOf((DropTime(share=0.0), DropArea(share=0.0)))(events, torch.Generator()))
        9
    """

    choices: tuple[EventAugmentation, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.choices, tuple) or not self.choices:
            raise ArgumentError(sentence("OneOf.choices", repr(self.choices), "a tuple of at least one augmentation"))

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Change a recording; the sensor's size stays."""
        which = int(torch.randint(0, len(self.choices), (), generator=generator))
        return self.choices[which](events, generator)


def uniform(generator: torch.Generator) -> float:
    """One number in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def check_share(who: str, share: float) -> None:
    """Raise ArgumentError unless a share or probability is within 0..1."""
    if not 0 <= share <= 1:
        raise ArgumentError(sentence(who, repr(share), "a number in 0..1"))


def _moved(events: Events, pixels: int, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
    right, down = torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist()
    x, y = events.x.astype(np.int64), events.y.astype(np.int64)
    return x + right * (events.width > 1), y + down * (events.height > 1)


def _inside(events: Events, x: np.ndarray, y: np.ndarray) -> Events:
    """Events at new places, without those outside the sensor."""
    kept = (x >= 0) & (x < events.width) & (y >= 0) & (y < events.height)
    return replace(events.select(kept), x=x[kept].astype(np.uint16), y=y[kept].astype(np.uint16))

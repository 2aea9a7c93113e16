"""Downsample: events of a sensor with fewer and larger pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .events import Events
from .frames import check_whole


@dataclass(frozen=True)
class Downsample:
    """Join squares of pixels to one that has all their events.

        x' = floor(x / factor)        y' = floor(y / factor)

    Args:
        factor: side of a square, at least 1. A sensor of one dimension keeps its height of 1.

    Raises:
        ArgumentError: for a number below 1.

    Example:
        >>> import numpy as np
        >>> events = Events(*[np.array([0, 3], np.uint16)] * 2, np.zeros(2, np.uint8), np.array([5, 9]), 4, 5)
        >>> small = Downsample(2)(events)
        >>> small.x.tolist(), small.shape
        ([0, 1], (2, 2, 3))
    """

    factor: int

    def __post_init__(self) -> None:
        check_whole("Downsample", factor=self.factor)

    def __call__(self, events: Events) -> Events:
        """The recording with ceil(height / factor) x ceil(width / factor) pixels; no event is left out."""
        height, width = (-(-side // self.factor) for side in (events.height, events.width))
        return replace(events, x=events.x // self.factor, y=events.y // self.factor, height=height, width=width)

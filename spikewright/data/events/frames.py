"""Events to frames: how many events each pixel has in each step, steps cut by time or by number of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...core.errors import ArgumentError, DataError, sentence
from .events import Events

MOST = 255  # events of one pixel in one step that a byte can hold

Pixel = Callable[[np.ndarray], np.ndarray]


class Frames(Protocol):
    """A frozen value that makes a sequence of frames of a recording."""

    @property
    def timesteps(self) -> int:
        """T."""
        ...

    def __call__(self, events: Events) -> Tensor:
        """Frames [T, C, H, W], uint8 or float32; C is the number of polarities, or 1 where they are joined."""
        ...


def counted(counts: np.ndarray) -> np.ndarray:
    """A pixel's value is its number of events.

    Raises:
        DataError: a pixel has more events in one step than a byte can hold.

    Example:
        >>> counted(np.array([0, 3])).tolist()
        [0, 3]
    """
    most = int(counts.max(initial=0))
    if most > MOST:
        todo = "Take more steps, down-sample less, or take frames with pixel=binary"
        raise DataError(sentence("frames", f"{most} events of one pixel in one step", f"at most {MOST}", todo))
    return counts


def binary(counts: np.ndarray) -> np.ndarray:
    """A pixel's value is 1 if it has an event, as a neuron sends one spike per step.

    Example:
        >>> binary(np.array([0, 3])).tolist()
        [0, 1]
    """
    return np.minimum(counts, 1)


def count(events: Events, step: np.ndarray, timesteps: int, pixel: Pixel) -> Tensor:
    """Frames of events whose step is known.

    Args:
        events: the recording.
        step: step of each event, whole numbers [E]; events outside 0..T-1 are left out.
        timesteps: T.
        pixel: a pixel's value from its number of events.

    Returns:
        uint8 [T, C, H, W].

    Example:
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.arange(3), height=1, width=1)
        >>> count(events, np.array([0, 1, 1]), 2, counted)[:, 0].flatten()
        tensor([1, 2], dtype=torch.uint8)
    """
    inside = (step >= 0) & (step < timesteps)
    kept, step = (events, step) if inside.all() else (events.select(inside), step[inside])
    channels, height, width = events.shape
    flat = ((step * channels + kept.p) * height + kept.y) * width + kept.x
    counts = np.bincount(flat.astype(np.int64), minlength=timesteps * channels * height * width)
    return torch.from_numpy(pixel(counts).astype(np.uint8)).view(timesteps, channels, height, width)


@dataclass(frozen=True)
class FixedBins:
    """Steps of a fixed width from time 0 on: the same duration for every recording; later events are left out.

        step = floor(t / width)

    Args:
        timesteps: T, at least 1.
        width: duration of one step in microseconds, at least 1.
        pixel: `counted` or `binary`.

    Raises:
        ArgumentError: for a number below 1.

    Source: Tonic (Lenz et al. 2021, doi 10.5281/zenodo.5079802), `ToFrame(time_window=...)`.
        Differs: the first step begins at time 0, and T is given, so that recordings fit into one batch.
    Example:
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([0, 999, 2000]), height=1, width=1)
        >>> FixedBins(timesteps=3, width=1000)(events)[:, 0].flatten()
        tensor([2, 0, 1], dtype=torch.uint8)
    """

    timesteps: int
    width: int
    pixel: Pixel = counted

    def __post_init__(self) -> None:
        check_whole("FixedBins", timesteps=self.timesteps, width=self.width)

    def __call__(self, events: Events) -> Tensor:
        """Frames, uint8 [T, C, H, W]."""
        return count(events, events.t // self.width, self.timesteps, self.pixel)


@dataclass(frozen=True)
class TimeBins:
    """Steps of equal duration from the first event of the recording to the last; no event is left out.

        step = min(floor((t - t_first) * T / (t_last - t_first)), T - 1)

    Args:
        timesteps: T, at least 1.
        pixel: `counted` or `binary`.

    Raises:
        ArgumentError: for a number below 1.

    Source: Tonic (Lenz et al. 2021), `ToFrame(n_time_bins=...)`.
        Differs: there the duration of a step is rounded down to whole microseconds, and the events after the last
        step are left out.
    Example:
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([7, 8, 9]), height=1, width=1)
        >>> TimeBins(timesteps=2)(events)[:, 0].flatten()
        tensor([1, 2], dtype=torch.uint8)
    """

    timesteps: int
    pixel: Pixel = counted

    def __post_init__(self) -> None:
        check_whole("TimeBins", timesteps=self.timesteps)

    def __call__(self, events: Events) -> Tensor:
        """Frames, uint8 [T, C, H, W]."""
        t = events.from_zero().t
        step = np.minimum(t * self.timesteps // max(events.duration, 1), self.timesteps - 1)
        return count(events, step, self.timesteps, self.pixel)


@dataclass(frozen=True)
class CountBins:
    """Steps of equal numbers of events, in the order of time; they differ by one where T does not divide the number.

        step of event e of E = floor(e * T / E)

    Args:
        timesteps: T, at least 1.
        pixel: `counted` or `binary`.

    Raises:
        ArgumentError: for a number below 1.

    Source: Fang et al. 2021, "Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking Neural
        Networks", ICCV 2021, section 4.4.
        Differs: there the remainder goes into the last step. Tonic's `ToFrame(n_event_bins=...)` leaves it out.
    Example:
        >>> one = np.zeros(4, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([0, 1, 2, 900]), height=1, width=1)
        >>> CountBins(timesteps=2)(events)[:, 0].flatten()
        tensor([2, 2], dtype=torch.uint8)
    """

    timesteps: int
    pixel: Pixel = counted

    def __post_init__(self) -> None:
        check_whole("CountBins", timesteps=self.timesteps)

    def __call__(self, events: Events) -> Tensor:
        """Frames, uint8 [T, C, H, W]."""
        step = np.arange(len(events)) * self.timesteps // max(len(events), 1)
        return count(events, step, self.timesteps, self.pixel)


def check_whole(who: str, **numbers: int) -> None:
    """Raise ArgumentError unless every number is a whole one of at least 1."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(sentence(f"{who}.{name}", repr(value), "a whole number of at least 1"))

"""Recordings made by hand or at random, for readers, frames and augmentations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spikewright.data.events import Events, events_from

Make = Callable[..., Events]


def random_events(n: int = 500, size: tuple[int, int] = (9, 12), polarities: int = 2, seed: int = 0) -> Events:
    """Events at random places and rising random times from 0 on, the first at 0."""
    drawn = np.random.default_rng(seed)
    t = np.cumsum(drawn.integers(0, 40, n)) if n else np.zeros(0, np.int64)
    x, y, p = (drawn.integers(0, limit, n) for limit in (size[1], size[0], polarities))
    return events_from("made", x, y, p, t - t[:1].sum(), size=size, polarities=polarities)


@pytest.fixture
def made() -> Make:
    """Makes random events: n, size, polarities, seed."""
    return random_events

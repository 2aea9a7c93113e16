"""The door to Captum: imported when it is asked for, quiet, and drawing from a seed of ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch

from ..core.errors import ArgumentError, sentence
from ..core.seed import generator


def captum() -> ModuleType:
    """The module `captum.attr`.

    Raises:
        ArgumentError: if Captum is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import captum.attr
    except ModuleNotFoundError as error:
        todo = "Install it: pip install 'spikewright[redteam]'"
        raise ArgumentError(sentence("interpret", "no package captum", "it installed", todo)) from error
    return captum.attr


@contextmanager
def drawing(seed: int, *path: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block what Captum draws, from torch's and numpy's own generators, follows from the seed; it warns of
    nothing. Afterwards both generators are where they were."""
    start = generator(seed, *path).initial_seed()
    devices = [device.index or 0] if device is not None and device.type == "cuda" else []
    before = np.random.get_state()
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(start)
        np.random.seed(start % 2**32)
        try:
            yield
        finally:
            np.random.set_state(before)

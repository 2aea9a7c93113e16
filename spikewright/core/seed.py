"""Seeds: set every generator a run draws from, and say which ones."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_all(seed: int) -> dict[str, int]:
    """Seed python, numpy and torch (all devices).

    Returns:
        What was seeded and with what, for the run's `environment.json`.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return {"python": seed, "numpy": seed % 2**32, "torch": seed}


def generator(seed: int, *path: int) -> torch.Generator:
    """A CPU generator of its own for a place named by numbers, e.g. (seed, epoch, batch): independent of all others.

    Example:
        >>> a, b = generator(0, 1, 2), generator(0, 1, 2)
        >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
        True
    """
    words = np.random.SeedSequence((seed, *path)).generate_state(2, np.uint32)
    made = torch.Generator()
    made.manual_seed(int(words[0]) << 31 ^ int(words[1]))
    return made

"""The score of a picture: mean confidence in the target after plain insertion into backgrounds the search never saw."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.seed import generator
from .objectives import confidence
from .placing import Placing
from .task import Task
from .victim import Victim

CHUNK = 128
SCORES = 99
"""Number in the path of the generator that draws the places of scores: they are the same for every method."""


def in_chunks(victim: Victim, x: Tensor) -> Tensor:
    """Logits [N, K] of many images, without gradients."""
    with torch.no_grad():
        return torch.cat([victim.logits(part) for part in x.split(CHUNK)])


def scores(victim: Victim, pictures: Tensor, placing: Placing, task: Task) -> Tensor:
    """Mean confidence in the target over the held-out backgrounds, at places that all pictures share, [C].

    Args:
        victim: the network.
        pictures: [C, 3, h, w] in 0..1.
        placing: how they are put in.
        task: whose backgrounds and seed.
    """
    found = []
    for part in pictures.detach().split(max(1, 512 // len(task.held_out))):  # so many images at once fit into memory
        x = placing.plain(part, task.held_out, generator(task.seed, SCORES))
        found.append(confidence(in_chunks(victim, x), task.target, len(part)))
    return torch.cat(found)


def baseline(victim: Victim, task: Task) -> float:
    """Mean confidence in the target on the held-out backgrounds as they are."""
    return float(confidence(in_chunks(victim, task.held_out), task.target, 1))

"""returns(actor, task): undiscounted returns of whole episodes without noise, on seeds of their own."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..core.arguments import check_module, check_whole
from ..core.evaluating import evaluating
from .env import Episode


@torch.inference_mode()
def returns(actor: nn.Module, task: str, *, episodes: int = 10, seed: int = 100) -> list[float]:
    """Play whole episodes with the actor's own actions.

    Args:
        actor: observations [N, D] -> actions [N, A].
        task: id of the environment.
        episodes: how many.
        seed: of the episodes; another one than that of the training.

    Returns:
        The sum of rewards of each episode.

    Raises:
        ArgumentError: for an unknown task, or another number than at least one episode.
    """
    check_module(actor, "returns.actor", "The order is actor, task")
    check_whole("returns.episodes", episodes, least=1)
    found, episode = [], Episode(task, seed, most_breakdowns=0)
    with evaluating(actor):
        while len(found) < episodes:
            action = actor(torch.from_numpy(episode.x)[None])[0].numpy().astype(np.float64)
            step = episode.step(action)
            if step is not None and step[-1]:
                found.append(episode.total)
                episode.begin()
    return found

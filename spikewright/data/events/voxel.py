"""VoxelGrid: events to frames with the sign of their polarity, each shared between the two nearest steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .events import Events
from .frames import check_whole


@dataclass(frozen=True)
class VoxelGrid:
    """Frames in which an event counts +1 or -1 by its polarity, in proportion to how near the steps are.

        t* = (T - 1) (t - t_first) / (t_last - t_first)        V[k] = sum over events of sign * max(0, 1 - |k - t*|)

    Of a sensor with one polarity every event counts +1.

    Args:
        timesteps: T, at least 1; with 1 all events count in full.

    Raises:
        ArgumentError: for a number below 1.

    Source: Zhu et al. 2019, "Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion", CVPR 2019,
        equations 1 to 3, with pixels that are whole already.
        Differs: Tonic 1.7 stretches to T in place of T - 1, so that late events lose a share of their weight.
    Example:
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, np.array([1, 0, 1], np.uint8), np.array([0, 3, 4]), height=1, width=1)
        >>> VoxelGrid(timesteps=3)(events).flatten()
        tensor([ 1.0000, -0.5000,  0.5000])
    """

    timesteps: int

    def __post_init__(self) -> None:
        check_whole("VoxelGrid", timesteps=self.timesteps)

    def __call__(self, events: Events) -> Tensor:
        """Frames, float32 [T, 1, H, W]."""
        size = events.height * events.width
        place = events.y.astype(np.int64) * events.width + events.x
        sign = np.where(events.p > 0, 1.0, -1.0) if events.polarities == 2 else np.ones(len(events))
        at = (self.timesteps - 1) * events.from_zero().t / max(events.duration, 1)
        before = np.floor(at).astype(np.int64)
        share = at - before
        grid = np.zeros((self.timesteps + 1) * size)  # one step more, for the empty share after the last
        for step, weight in ((before, 1 - share), (before + 1, share)):
            grid += np.bincount(step * size + place, weight * sign, minlength=len(grid))
        frames = grid[: self.timesteps * size].astype(np.float32)
        return torch.from_numpy(frames).view(self.timesteps, 1, events.height, events.width)

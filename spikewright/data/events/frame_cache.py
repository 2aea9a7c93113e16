"""FrameCache: the frames of a dataset's recordings, each made once and kept in memory, counts as bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.errors import DataError, sentence
from .dataset import EventDataset
from .frames import Frames


class FrameCache:
    """Frames of recordings, made when they are first asked for.

    Counts take one byte per pixel and step: N * T * C * H * W bytes in all, four times as much for a `VoxelGrid`.

    Args:
        dataset: the recordings.
        frames: what makes frames of one.

    Example:
        >>> import numpy as np
        >>> from spikewright.data.events import Events, TimeBins
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.arange(3), height=1, width=1)
        >>> data = EventDataset([events], torch.tensor([0]), ("a",), (2, 1, 1))
        >>> FrameCache(data, TimeBins(2)).gather(torch.tensor([0, 0])).shape
        torch.Size([2, 2, 2, 1, 1])
    """

    def __init__(self, dataset: EventDataset, frames: Frames) -> None:
        self.dataset, self.frames = dataset, frames
        self.made = torch.zeros(len(dataset), dtype=torch.bool)
        self.kept: Tensor | None = None

    def gather(self, places: Tensor) -> Tensor:
        """Frames [N, T, C, H, W] of the recordings at these places, in the dtype in which they are kept."""
        for place in places[~self.made[places]].tolist():
            frames = made_by(self.frames, self.dataset, place)
            if self.kept is None:
                self.kept = frames.new_empty((len(self.dataset), *frames.shape))
            self.kept[place] = frames
            self.made[place] = True
        if self.kept is None:  # no place was asked for
            raise DataError(sentence("FrameCache.gather", "no place", "at least one"))
        return self.kept[places]


def made_by(frames: Frames, dataset: EventDataset, place: int) -> Tensor:
    """Frames [T, C, H, W] of one recording as it is.

    Raises:
        DataError: they cannot be made; says of which recording.
    """
    try:
        return frames(dataset.recording(place))
    except DataError as error:
        raise DataError(f"recording {place}: {error}") from error

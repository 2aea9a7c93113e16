"""EventBatches: the seeded, resumable, sharded order in which recordings reach a network, as frames, time first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator
from .epoch_order import AUGMENT, EpochOrder
from .events.augment import EventAugmentation
from .events.dataset import EventDataset
from .events.frame_cache import FrameCache
from .events.frames import Frames


class EventBatches:
    """Batches of recordings as sequences of frames [T, N, C, H, W], in an order that depends on seed and epoch alone.

    Without augmentation each recording is read once and its frames are kept in memory, counts as bytes. With
    augmentation each recording is changed, and its frames made, anew for every batch; `dataset.in_memory()` then saves
    reading it again. Any batch of any epoch can be computed without those before it.

    Args:
        dataset: labelled recordings.
        batch_size: recordings per batch over all processes together.
        frames: what makes frames of a recording: `FixedBins`, `TimeBins`, `CountBins` or `VoxelGrid`.
        seed: number >= 0 from which order and augmentation follow; None: the order of the dataset.
        augment: random changes of each recording, in this order; need a seed.
        drop_last: leave out the last batch if it is smaller than the others.
        rank: number of this process.
        world_size: number of processes; each gets the same share of each batch.

    Raises:
        DataError: the dataset is smaller than the one batch that `drop_last` asks for, or an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from spikewright.data.events import Events, FixedBins
        >>> one = np.zeros(3, np.uint16)
        >>> events = Events(one, one, one.astype(np.uint8), np.array([0, 10, 11]), height=1, width=1)
        >>> data = EventDataset([events] * 5, torch.zeros(5, dtype=torch.int64), ("a",), (2, 1, 1))
        >>> x, y = next(EventBatches(data, 4, FixedBins(2, width=10), seed=1).iterate(epoch=3))
        >>> tuple(x.shape), x[:, 0, 0].flatten().tolist(), tuple(y.shape)
        ((2, 4, 2, 1, 1), [1.0, 2.0], (4,))
    """

    sample_axis: ClassVar[int] = 1
    """The axis of x that counts recordings; time comes first."""

    def __init__(
        self,
        dataset: EventDataset,
        batch_size: int,
        frames: Frames,
        *,
        seed: int | None = None,
        augment: tuple[EventAugmentation, ...] = (),
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not isinstance(dataset, EventDataset):
            todo = "Load one with load_events(name), or make one of recordings: EventDataset(recordings, labels, ...)"
            raise DataError(sentence("EventBatches.dataset", type(dataset).__name__, "an EventDataset", todo))
        if not callable(frames) or isinstance(frames, type):
            met = getattr(frames, "__name__", type(frames).__name__)
            raise DataError(sentence("EventBatches.frames", met, "a value that makes frames, e.g. TimeBins(10)"))
        if not isinstance(augment, tuple) or not all(callable(step) for step in augment):
            met = type(augment).__name__
            raise DataError(sentence("EventBatches.augment", met, "a tuple of augmentations, e.g. (ShiftEvents(2),)"))
        if augment and seed is None:
            todo = "Give a seed, so that the augmentation can be repeated"
            raise DataError(sentence("EventBatches.augment", "an augmentation without a seed", "both or none", todo))
        self._order = EpochOrder(
            len(dataset),
            batch_size,
            seed=seed,
            drop_last=drop_last,
            rank=rank,
            world_size=world_size,
            who="EventBatches",
            noun="recording",
        )
        self.dataset, self.batch_size, self.frames, self.seed, self.augment = dataset, batch_size, frames, seed, augment
        self.rank, self.world_size = rank, world_size
        self._cache = FrameCache(dataset, frames)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch 0."""
        return self.iterate(0)

    def iterate(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch from batch `start` on; those before it are not computed.

        Yields:
            x, float32 [T, N, C, H, W], and y, int64 [N].

        Raises:
            DataError: epoch or start is out of range, a recording cannot be read, or its frames cannot be made.
        """
        return (self._batch(epoch, number, places) for number, places in self._order.batches(epoch, start))

    def _batch(self, epoch: int, number: int, places: Tensor) -> tuple[Tensor, Tensor]:
        if self.augment and self.seed is not None:
            frames = self._augmented(places, generator(self.seed, AUGMENT, epoch, number, self.rank))
        else:
            frames = self._cache.gather(places)
        return frames.transpose(0, 1).to(torch.float32).contiguous(), self.dataset.labels[places]

    def _augmented(self, places: Tensor, drawing: torch.Generator) -> Tensor:
        made = []
        for place in places.tolist():
            events = self.dataset.recording(place)
            for step in self.augment:
                events = step(events, drawing)
            made.append(self.frames(events))
        return torch.stack(made)

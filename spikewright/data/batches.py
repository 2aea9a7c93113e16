"""Batches: the seeded, resumable, sharded order in which images reach a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator
from .augment import PartAugmentation
from .epoch_order import AUGMENT, EpochOrder
from .images import ImageSource, check_labels

Augment = Callable[[Tensor, torch.Generator], Tensor]


class Batches:
    """Batches of a dataset in an order that depends on the seed and the epoch alone.

    Any batch of any epoch can be computed without those before it, so a run that stops after a batch
    goes on with exactly the batches that it would have seen.

    Args:
        dataset: images in memory or on disk; anything with `__len__`, `classes` and `gather`.
        batch_size: images per batch over all processes together.
        seed: number >= 0 from which order and augmentation follow; None: the order of the dataset.
        augment: called as `augment(x, generator)` on each batch of this process; needs a seed. One with a method
            `part`, as all of `data.augment`, changes each image in the same way for any number of processes.
        drop_last: leave out the last batch if it is smaller than the others.
        rank: number of this process.
        world_size: number of processes. With a seed each gets the same share of each batch; without one shares may
            differ by an image, and a process that has none of the last batch goes without it.

    Raises:
        DataError: the dataset is empty, or smaller than the one batch that `drop_last` asks for; a number is
            out of range; or a batch of images is not finite or of the wrong shape.

    Example:
        >>> from spikewright.data.synthetic import load
        >>> batches = Batches(load(split="test"), 50, seed=1)
        >>> x, y = next(batches.iterate(epoch=3))
        >>> tuple(x.shape), tuple(y.shape), len(batches)
        ((50, 3, 16, 16), (50,), 4)
    """

    def __init__(
        self,
        dataset: ImageSource,
        batch_size: int,
        *,
        seed: int | None = None,
        augment: Augment | None = None,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not hasattr(dataset, "gather"):
            todo = "Give tensors as ImageDataset(images, labels, classes); recordings of events go into EventBatches"
            raise DataError(sentence("Batches.dataset", type(dataset).__name__, "a data set with gather()", todo))
        if augment is not None and not callable(augment):
            raise DataError(sentence("Batches.augment", repr(augment), "a function of images and generator, or None"))
        if augment is not None and seed is None:
            todo = "Give a seed, so that the augmentation can be repeated"
            raise DataError(sentence("Batches.augment", "an augmentation without a seed", "both or none", todo))
        shards = {"rank": rank, "world_size": world_size}
        self._order = EpochOrder(
            len(dataset), batch_size, seed=seed, drop_last=drop_last, **shards, who="Batches", noun="image"
        )
        self.dataset, self.batch_size, self.seed, self.augment = dataset, batch_size, seed, augment
        self.drop_last, self.rank, self.world_size = drop_last, rank, world_size

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch 0."""
        return self.iterate(0)

    def iterate(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch from batch `start` on; those before it are not computed.

        Yields:
            x, float [N, C, H, W] in [0, 1], and y, int64 [N].

        Raises:
            DataError: epoch or start is out of range.
        """
        return (self._batch(epoch, number, places) for number, places in self._order.batches(epoch, start))

    def _batch(self, epoch: int, number: int, places: Tensor) -> tuple[Tensor, Tensor]:
        x, y = self.dataset.gather(places)
        return self._checked(self._augmented(x, self._order.size(number), epoch, number), y, number)

    def _augmented(self, x: Tensor, whole: int, epoch: int, number: int) -> Tensor:
        if self.augment is None or self.seed is None:
            return x
        if self.world_size > 1 and isinstance(self.augment, PartAugmentation):
            draws = generator(self.seed, AUGMENT, epoch, number, 0)  # those of one process that holds the whole batch
            return self.augment.part(x, draws, slice(self.rank, None, self.world_size), whole)
        return self.augment(x, generator(self.seed, AUGMENT, epoch, number, self.rank))

    def order(self, epoch: int) -> Tensor:
        """Places of all images in the order of this epoch, int64 [N]; the same in every process."""
        return self._order.whole(epoch)

    def _checked(self, x: Tensor, y: Tensor, number: int) -> tuple[Tensor, Tensor]:
        who = f"Batches, batch {number}"
        if not x.is_floating_point() or x.ndim != 4:
            met = f"images {x.dtype} of shape {list(x.shape)}"
            raise DataError(sentence(who, met, "float of shape [N, C, H, W]", "Check the dataset and augment"))
        if not bool(torch.isfinite(x).all()):
            raise DataError(sentence(who, "NaN or infinity in the images", "finite numbers", "Check augment"))
        check_labels(who, y, len(x), len(self.dataset.classes))
        return x, y

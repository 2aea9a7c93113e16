"""Batches: the seeded, resumable, sharded order in which images reach a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator
from .images import ImageSource, check_labels

ORDER, AUGMENT = 1, 2  # first number of the path of a generator, so that the two never draw the same

Augment = Callable[[Tensor, torch.Generator], Tensor]


class Batches:
    """Batches of a dataset in an order that depends on the seed and the epoch alone.

    Any batch of any epoch can be computed without those before it, so a run that stops after a batch
    goes on with exactly the batches that it would have seen.

    Args:
        dataset: images in memory or on disk; anything with `__len__`, `classes` and `gather`.
        batch_size: images per batch over all processes together.
        seed: number >= 0 from which order and augmentation follow; None: the order of the dataset.
        augment: called as `augment(x, generator)` on each batch of this process; needs a seed.
        drop_last: leave out the last batch if it is smaller than the others.
        rank: number of this process.
        world_size: number of processes; each gets the same share of each batch.

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
            todo = "Give tensors as ImageDataset(images, labels, classes)"
            raise DataError(sentence("Batches.dataset", type(dataset).__name__, "a data set with gather()", todo))
        n = len(dataset)
        if n == 0:
            raise DataError(sentence("Batches.dataset", "no image", "at least one"))
        if not isinstance(batch_size, int) or batch_size < 1:
            raise DataError(sentence("Batches.batch_size", repr(batch_size), "a whole number above 0"))
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise DataError(sentence("Batches.seed", repr(seed), "a whole number from 0 on, or None"))
        if augment is not None and not callable(augment):
            raise DataError(sentence("Batches.augment", repr(augment), "a function of images and generator, or None"))
        if augment is not None and seed is None:
            todo = "Give a seed, so that the augmentation can be repeated"
            raise DataError(sentence("Batches.augment", "an augmentation without a seed", "both or none", todo))
        if drop_last and n < batch_size:
            met = f"{n} images, fewer than one batch of {batch_size}, with drop_last"
            raise DataError(sentence("Batches.dataset", met, "at least one whole batch", "Lower the batch size"))
        self.dataset, self.batch_size, self.seed, self.augment = dataset, batch_size, seed, augment
        self.drop_last, self.rank, self.world_size = drop_last, rank, world_size
        self._check_shards(n)

    def _check_shards(self, n: int) -> None:
        if not 0 <= self.rank < self.world_size:
            met = f"rank {self.rank} of {self.world_size} processes"
            raise DataError(sentence("Batches.rank", met, "0 <= rank < world_size"))
        if self.batch_size % self.world_size:
            met = f"{self.batch_size} for {self.world_size} processes"
            raise DataError(sentence("Batches.batch_size", met, "a multiple of the number of processes"))
        last = n % self.batch_size
        if not self.drop_last and 0 < last < self.world_size:
            met = f"a last batch of {last} images for {self.world_size} processes"
            todo = "Set drop_last or change the batch size"
            raise DataError(sentence("Batches.batch_size", met, "an image for every process in every batch", todo))

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

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
        if epoch < 0:
            raise DataError(sentence("Batches.iterate epoch", str(epoch), "a whole number from 0 on"))
        if not 0 <= start <= len(self):
            raise DataError(sentence("Batches.iterate start", str(start), f"0..{len(self)} batches"))
        return self._generate(epoch, start)

    def _generate(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.order(epoch)
        for number in range(start, len(self)):
            whole = order[number * self.batch_size : (number + 1) * self.batch_size]
            x, y = self.dataset.gather(whole[self.rank :: self.world_size])
            if self.augment is not None and self.seed is not None:
                x = self.augment(x, generator(self.seed, AUGMENT, epoch, number, self.rank))
            yield self._checked(x, y, number)

    def order(self, epoch: int) -> Tensor:
        """Places of all images in the order of this epoch, int64 [N]; the same in every process."""
        n = len(self.dataset)
        if self.seed is None:
            return torch.arange(n)
        return torch.randperm(n, generator=generator(self.seed, ORDER, epoch))

    def _checked(self, x: Tensor, y: Tensor, number: int) -> tuple[Tensor, Tensor]:
        who = f"Batches, batch {number}"
        if not x.is_floating_point() or x.ndim != 4:
            met = f"images {x.dtype} of shape {list(x.shape)}"
            raise DataError(sentence(who, met, "float of shape [N, C, H, W]", "Check the dataset and augment"))
        if not bool(torch.isfinite(x).all()):
            raise DataError(sentence(who, "NaN or infinity in the images", "finite numbers", "Check augment"))
        check_labels(who, y, len(x), len(self.dataset.classes))
        return x, y

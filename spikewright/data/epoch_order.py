"""EpochOrder: which samples make up which batch of which epoch, from the seed alone, for each of several processes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator

ORDER, AUGMENT = 1, 2  # first number of the path of a generator, so that the two never draw the same


class EpochOrder:
    """The order of n samples in every epoch, cut into batches, of which each process gets its share.

    Any batch of any epoch can be told without those before it.

    Args:
        n: number of samples.
        batch_size: samples per batch over all processes together.
        seed: number >= 0 from which the order follows; None: the order of the dataset.
        drop_last: leave out the last batch if it is smaller than the others.
        rank: number of this process.
        world_size: number of processes; each gets the same share of each batch, with a seed.
        who: what to call the batches in an error.
        noun: what a sample is called in an error.

    Raises:
        DataError: there is no sample, or fewer than the one batch that `drop_last` asks for; or a number is out of
            range.

    Example:
        >>> order = EpochOrder(5, 2, rank=0, world_size=1)
        >>> [(number, places.tolist()) for number, places in order.batches(epoch=0, start=1)]
        [(1, [2, 3]), (2, [4])]
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        *,
        seed: int | None = None,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        who: str = "EpochOrder",
        noun: str = "sample",
    ) -> None:
        if n == 0:
            raise DataError(sentence(f"{who}.dataset", f"no {noun}", "at least one"))
        if not isinstance(batch_size, int) or batch_size < 1:
            raise DataError(sentence(f"{who}.batch_size", repr(batch_size), "a whole number above 0"))
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise DataError(sentence(f"{who}.seed", repr(seed), "a whole number from 0 on, or None"))
        if drop_last and n < batch_size:
            met = f"{n} {noun}s, fewer than one batch of {batch_size}, with drop_last"
            raise DataError(sentence(f"{who}.dataset", met, "at least one whole batch", "Lower the batch size"))
        self.n, self.batch_size, self.seed, self.drop_last = n, batch_size, seed, drop_last
        self.rank, self.world_size, self.who, self.noun = rank, world_size, who, noun
        self._check_shards()

    def _check_shards(self) -> None:
        if not 0 <= self.rank < self.world_size:
            met = f"rank {self.rank} of {self.world_size} processes"
            raise DataError(sentence(f"{self.who}.rank", met, "0 <= rank < world_size"))
        if self.seed is None:  # to be judged or counted, which asks for no equal shares
            return
        if self.batch_size % self.world_size:
            met = f"{self.batch_size} for {self.world_size} processes"
            raise DataError(sentence(f"{self.who}.batch_size", met, "a multiple of the number of processes"))
        last = self.n % self.batch_size
        if not self.drop_last and 0 < last < self.world_size:
            met = f"a last batch of {last} {self.noun}s for {self.world_size} processes"
            allowed = f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun} for every process in every batch"
            todo = "Set drop_last or change the batch size"
            raise DataError(sentence(f"{self.who}.batch_size", met, allowed, todo))

    def __len__(self) -> int:
        return self.n // self.batch_size if self.drop_last else -(-self.n // self.batch_size)

    def size(self, number: int) -> int:
        """Samples of a batch over all processes together."""
        return min(self.batch_size, self.n - number * self.batch_size)

    def whole(self, epoch: int) -> Tensor:
        """Places of all samples in the order of this epoch, int64 [N]; the same in every process."""
        if self.seed is None:
            return torch.arange(self.n)
        return torch.randperm(self.n, generator=generator(self.seed, ORDER, epoch))

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Number and places, int64, of this process's share of each batch of an epoch, from batch `start` on.

        Raises:
            DataError: epoch or start is out of range.
        """
        if epoch < 0:
            raise DataError(sentence(f"{self.who}.iterate epoch", str(epoch), "a whole number from 0 on"))
        if not 0 <= start <= len(self):
            raise DataError(sentence(f"{self.who}.iterate start", str(start), f"0..{len(self)} batches"))
        return self._cut(epoch, start)

    def _cut(self, epoch: int, start: int) -> Iterator[tuple[int, Tensor]]:
        order = self.whole(epoch)
        for number in range(start, len(self)):
            whole = order[number * self.batch_size : (number + 1) * self.batch_size]
            own = whole[self.rank :: self.world_size]
            if len(own):  # the last batch may have no sample for this process
                yield number, own

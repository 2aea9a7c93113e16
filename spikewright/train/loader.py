"""epoch_batches(data, seed): a DataLoader or a list of batches as fit needs it, any epoch from any batch on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from ..core.errors import ArgumentError, DataError, sentence
from ..core.loss import Batch as Batch
from ..core.seed import generator

ORDER, WORKERS = 1, 3  # first number of the path of a generator, so that the two never draw the same


class EpochBatches(Protocol):
    """Batches of one data set whose order depends only on the epoch's number."""

    def __len__(self) -> int: ...

    def iterate(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        ...


def epoch_batches(data: EpochBatches | DataLoader[Any] | Sequence[Batch], seed: int, who: str) -> EpochBatches:
    """Batches in the form that a resumable run needs; what has this form already stays as it is.

    Args:
        data: an object with `iterate(epoch, start)`, a DataLoader, or a list of (x, y) batches.
        seed: from which, with the number of the epoch, the order of a DataLoader follows.
        who: the argument, for errors.

    Raises:
        ArgumentError: for anything else, e.g. an iterator, which can be used only once; or a loader without a
            length, or whose order no seed decides.
        DataError: for a list that holds something else than (x, y) batches.

    Example:
        >>> batches = epoch_batches([(torch.zeros(2, 1), torch.zeros(2)), (torch.ones(2, 1), torch.ones(2))], 0, "data")
        >>> [y.tolist() for x, y in batches.iterate(epoch=5, start=1)]
        [[1.0, 1.0]]
    """
    if callable(getattr(data, "iterate", None)) and hasattr(data, "__len__"):
        return data  # pyright: ignore[reportReturnType]
    if isinstance(data, DataLoader):
        return LoaderBatches(data, seed, who)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return ListBatches(data, who)
    met, todo = f"{type(data).__name__}", "Give anything else the methods __len__ and iterate(epoch, start)"
    if isinstance(data, Iterator):
        met, todo = f"{met}, an iterator, which can be used only once", "Make a list of it: list(batches)"
    raise ArgumentError(sentence(who, met, "Batches, a torch DataLoader, or a list of (x, y) batches", todo))


class ListBatches:
    """A list of (x, y) batches, in its own order in every epoch.

    Args:
        batches: the batches.
        who: the argument, for errors.
    """

    def __init__(self, batches: Sequence[Batch], who: str) -> None:
        self.batches = [pair(batch, f"{who}, batch {number}") for number, batch in enumerate(batches)]

    def __len__(self) -> int:
        return len(self.batches)

    def iterate(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches from number `start` on."""
        return iter(self.batches[start:])


class LoaderBatches:
    """A DataLoader whose order, and whose workers' seeds, follow from a seed and the number of the epoch.

    At the start of an epoch the generators of the loader and of its sampler are replaced by new ones, and a sampler
    with `set_epoch` (DistributedSampler, which keeps its own seed) is told the epoch. The batches before `start` are
    loaded and thrown away, so that a run that was stopped goes on with exactly those it would have seen. This holds
    for random augmentation that draws from torch's generator in this process too. What is drawn from other
    generators, or in persistent worker processes, the loader's owner must seed.

    Args:
        loader: the loader, of a data set whose items have numbers.
        seed: number >= 0.
        who: the argument, for errors.
    """

    def __init__(self, loader: DataLoader[Any], seed: int, who: str) -> None:
        self.loader, self.seed, self.who = loader, seed, who
        todo = "Give fit an object with __len__ and iterate(epoch, start) of your own"
        if isinstance(loader.dataset, IterableDataset):
            met = f"a DataLoader of {type(loader.dataset).__name__}, an IterableDataset, whose order no seed decides"
            raise ArgumentError(sentence(who, met, "a data set with __getitem__ and __len__", todo))
        try:
            len(loader)
        except (TypeError, NotImplementedError) as error:
            met = f"a DataLoader without a length ({error})"
            raise ArgumentError(sentence(who, met, "one whose sampler and data set have __len__", todo)) from error
        if self._order(0) != self._order(0):
            met = f"{', '.join(type(sampler).__name__ for sampler in self._samplers())}, whose order no seed decides"
            allowed = "a sampler with the attribute generator or the method set_epoch"
            raise ArgumentError(sentence(f"{who}.sampler", met, allowed, "Let it draw from self.generator"))

    def __len__(self) -> int:
        return len(self.loader)

    def iterate(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on.

        Raises:
            DataError: for a batch that is no pair of images and labels.
        """
        if start >= len(self):
            return
        self._begin(epoch)
        state = torch.get_rng_state()
        batches = iter(self.loader)
        if start:
            for _ in islice(batches, start):
                pass
            torch.set_rng_state(state)  # the draws of the batches that are thrown away were made before the stop
        for number, batch in enumerate(batches, start):
            yield pair(batch, f"{self.who}, batch {number}")

    def _begin(self, epoch: int) -> None:
        """Seed everything that decides on the order, and the workers."""
        self.loader.generator = generator(self.seed, WORKERS, epoch)
        for sampler in self._samplers():
            if hasattr(sampler, "generator"):
                sampler.generator = generator(self.seed, ORDER, epoch)
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)

    def _samplers(self) -> list[Any]:
        """The sampler of samples, and that of batches unless the data set makes its batches itself."""
        batch_sampler = self.loader.batch_sampler
        inner = getattr(batch_sampler, "sampler", None if batch_sampler is not None else self.loader.sampler)
        return [sampler for sampler in (batch_sampler, inner) if sampler is not None]

    def _order(self, epoch: int) -> list[Any]:
        self._begin(epoch)
        return list(self._samplers()[0])


def pair(batch: Any, who: str) -> Batch:
    """The two parts of a batch.

    Raises:
        DataError: for anything but a pair of tensors, saying what it is.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return batch[0], batch[1]
    met = type(batch).__name__
    if isinstance(batch, tuple | list):
        met = f"{met} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    raise DataError(sentence(who, met, "a pair (x, y) of images and labels", "For a single batch write [(x, y)]"))

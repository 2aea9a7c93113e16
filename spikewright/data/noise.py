"""NoisyPairs: batches of noisy images with the clean ones as targets, for networks that remove noise."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real

import torch
from torch import Tensor

from ..core.errors import DataError, sentence
from ..core.seed import generator
from .batches import Batches

NOISE = 4  # first number of the path of a generator, so that no two parts draw the same


class NoisyPairs:
    """Each batch of images twice: with Gaussian noise added, not clipped, and as it is.

    The noise of (seed, epoch, number) is the same in a run that was stopped and gone on with.

    Args:
        batches: images; their labels are left out.
        sigma: standard deviation of the noise, for pixels in [0, 1].
        seed: number >= 0 from which the noise follows.

    Raises:
        DataError: a number is out of range.

    Example:
        >>> from spikewright.data.synthetic import load
        >>> noisy, clean = next(iter(NoisyPairs(Batches(load(split="test"), 50), sigma=0.1, seed=0)))
        >>> round(float((noisy - clean).std()), 2)
        0.1
    """

    def __init__(self, batches: Batches, *, sigma: float, seed: int) -> None:
        if not isinstance(batches, Batches):
            raise DataError(sentence("NoisyPairs.batches", type(batches).__name__, "Batches(dataset, batch_size)"))
        if isinstance(sigma, bool) or not isinstance(sigma, Real) or not 0 < sigma < float("inf"):
            raise DataError(sentence("NoisyPairs.sigma", repr(sigma), "a finite number above 0"))
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise DataError(sentence("NoisyPairs.seed", repr(seed), "a whole number from 0 on"))
        self.batches, self.sigma, self.seed = batches, float(sigma), seed

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch 0."""
        return self.iterate(0)

    def iterate(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch from number `start` on: noisy and clean images, [N, C, H, W] both."""
        for number, (x, _) in enumerate(self.batches.iterate(epoch, start), start):
            drawn = generator(self.seed, NOISE, epoch, number, self.batches.rank)
            yield x + self.sigma * torch.randn(x.shape, generator=drawn), x

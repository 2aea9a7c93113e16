"""RandomEncoder: an encoder that draws, such as `poisson`, as a value that keeps its own source of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from ..core.seed import generator
from .encode import poisson


class RandomEncoder:
    """Input and T -> sequence, drawn anew at every call: what networks and classifiers take as `encode`.

    Two of them with the same seed draw the same, call by call. That one pass differs from the next is what attacks and
    judges have to know: they average over draws, and draw from seeds of their own (`seeded`).

    Args:
        encode: called as (x, timesteps, generator).
        seed: of the draws.

    Raises:
        ArgumentError: if encode is no function or seed no whole number.

    Example:
        >>> encode = RandomEncoder(poisson, seed=1)
        >>> x = torch.full((1, 100), 0.5)
        >>> bool((encode(x, 1) == encode(x, 1)).all())
        False
    """

    def __init__(self, encode: Callable[[Tensor, int, torch.Generator], Tensor] = poisson, *, seed: int = 0) -> None:
        if not callable(encode) or isinstance(encode, type):
            raise ArgumentError(sentence("RandomEncoder.encode", named(encode), "a function, e.g. poisson"))
        check_whole("RandomEncoder.seed", seed, least=0)
        self.encode, self.seed, self.generator = encode, seed, generator(seed)

    def __call__(self, x: Tensor, timesteps: int) -> Tensor:
        return self.encode(x, timesteps, self.generator)

    @contextmanager
    def seeded(self, *path: int) -> Iterator[None]:
        """Within the block the draws follow from these numbers alone; afterwards they go on where they were.

        Example:
            >>> encode, x = RandomEncoder(), torch.full((1, 100), 0.5)
            >>> with encode.seeded(3):
            ...     first = encode(x, 2)
            >>> with encode.seeded(3):
            ...     bool((encode(x, 2) == first).all())
            True
        """
        before, self.generator = self.generator, generator(*path)
        try:
            yield
        finally:
            self.generator = before

    def __repr__(self) -> str:
        return f"RandomEncoder({getattr(self.encode, '__name__', repr(self.encode))}, seed={self.seed})"

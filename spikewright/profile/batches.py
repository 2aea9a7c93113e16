"""Inputs for a count: one tensor or many batches, images or sequences, on the model's device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from torch import Tensor, nn

from ..coding.encode import repeat
from ..core.arguments import named
from ..core.errors import ShapeError, sentence
from ..core.temporal import check_sequence

Batches = Tensor | Iterable[Tensor | Sequence[Tensor]]

FITTING = (
    "Give it the shape and dtype that it was made for, with time first for a spiking network; images need timesteps=T"
)
"""What to do about an input that a network cannot take."""


def inputs(batches: Batches, who: str) -> Iterator[Tensor]:
    """The input of every batch: the batch itself, or the first part of it.

    Args:
        batches: one tensor, or batches: tensors, or tuples that start with one.
        who: the caller, for errors.

    Raises:
        ShapeError: for a batch that holds no tensor.
    """
    if not isinstance(batches, Iterable):
        raise ShapeError(sentence(who, named(batches), "a tensor, or batches: tensors, or tuples that start with one"))
    for batch in (batches,) if isinstance(batches, Tensor) else batches:
        x = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if not isinstance(x, Tensor):
            raise ShapeError(
                sentence(who, f"a batch of {type(x).__name__}", "a tensor, or a tuple that starts with the input")
            )
        yield x


def sequences(batches: Batches, timesteps: int | None, who: str) -> Iterator[Tensor]:
    """Every batch as a sequence [T, N, ...]; with `timesteps`, images [N, ...] are repeated that often.

    Raises:
        ShapeError: for a batch of the wrong shape or dtype.
        ArgumentError: if timesteps is no whole number of at least 1.
    """
    for x in inputs(batches, who):
        xs = x if timesteps is None else repeat(x, timesteps)
        check_sequence(xs, who)
        yield xs


def on_device_of(model: nn.Module, x: Tensor) -> Tensor:
    """The input on the device of the model's first parameter or buffer."""
    tensor = next((tensor for group in (model.parameters(), model.buffers()) for tensor in group), x)
    return x.to(tensor.device)

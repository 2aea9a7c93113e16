"""carry_state(model): neurons continue from their last state inside a with-block, for streams and long sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .arguments import check_module
from .errors import ShapeError
from .types import State


class Carry:
    """The state that one layer keeps between calls while it is carried."""

    def __init__(self) -> None:
        self.state: State | None = None

    def keep(self, state: State) -> None:
        """Keep a state for the next call, cut off from this call's gradient graph."""
        self.state = type(state)(*(part.detach() for part in state))


def check_state(state: State, like: Iterable[Tensor], who: str) -> None:
    """Raise ShapeError unless each part of a carried state fits, in shape and dtype, the tensor that it goes with.

    A part without axes counts steps, and one of bools marks neurons; both fit any dtype.
    """
    for part, x in zip(state, like):
        if part.dim() and part.shape != x.shape:
            raise ShapeError(
                f"{who}: carries a state of shape {list(part.shape)}, but the next input has {list(x.shape)}. "
                "Keep the batch and feature shape, or leave carry_state to start anew."
            )
        if part.dim() and part.dtype not in (x.dtype, torch.bool):
            raise ShapeError(
                f"{who}: carries a state in {part.dtype}, but the next input is in {x.dtype}. "
                "Keep the dtype, or leave carry_state to start anew."
            )


@contextmanager
def carry_state(model: nn.Module) -> Iterator[dict[str, Carry]]:
    """Within the block each call continues where the last one ended; after it the model starts fresh again.

    Gradients stop at the borders between calls. Blocks may be nested: the inner one starts fresh.

    Args:
        model: any module; all neurons and other layers with a state in it are carried.

    Yields:
        Name of the layer -> its `Carry`, whose `.state` can be read, saved, or set.

    Example:
        >>> import torch
        >>> from spikewright.core import Spiking, carry_state
        >>> from spikewright.neurons import IF
        >>> model = Spiking(IF())
        >>> with carry_state(model):
        ...     first, second = (model(torch.full((1, 1, 1), 0.5)) for _ in range(2))
        >>> first.item(), second.item()
        (0.0, 1.0)
    """
    from .stateful import Stateful  # it imports Carry from here

    check_module(model, "carry_state.model")
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Stateful)}
    before = {name: layer.carry for name, layer in layers.items()}
    carried = {name: Carry() for name in layers}
    try:
        for name, layer in layers.items():
            layer.carry = carried[name]
        yield carried
    finally:
        for name, layer in layers.items():
            layer.carry = before[name]

"""First state and constants of a layer as flat arrays, and what their gradients are of the sums over neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .order import Order


def split(kind: Any, given: Sequence[Tensor], order: Order) -> tuple[list[Tensor], list[Tensor]]:
    """Parts of the first state, flat, and the constants of the equations, one number or flat."""
    states = 2 if kind.hierarchical else 1
    constants = given[states : states + (5 if kind.hierarchical else 3)]
    return [order.step(part) for part in given[:states]], [order.constant(value) for value in constants]


def shared(kind: Any, value: Tensor, sums: Tensor, order: Order, number: int) -> Tensor:
    """The gradient of a constant: what all that share it add up to; of thresholds as in `at_lif_step` the mean.

    Args:
        kind: what the layer is.
        value: the constant.
        sums: a value per neuron, flat, or parts of the sum over all for a constant of one number.
        order: memory order of the layer.
        number: place of the constant; those of an adaptive layer are decay, gain, threshold and activity.
    """
    total = sums.sum().reshape(value.shape) if value.numel() == 1 else order.unflat(sums).sum_to_size(value.shape)
    return total * (value.numel() / order.size) if kind.adaptive and number >= 2 else total

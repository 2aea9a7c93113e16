"""The fused passes on the CPU: tensors become flat arrays, and the loops run on all of torch's threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..parallel import over_parts
from . import cpu_loops as loops
from .constants import shared, split
from .order import Order, order_of


def forward(
    kind: Any, xs: Tensor, given: Sequence[Tensor], keep: bool
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Order]:
    """Run all steps.

    Args:
        kind: what the layer is.
        xs: input, [T, N, *F].
        given: parts of the first state, [N, *F], then the constants, in single or double precision.
        keep: whether `backward` will be called.

    Returns:
        Spikes [T, N, *F] and the parts of the last state; what `backward` needs besides `given`; the memory order.
    """
    order, steps, dtype = order_of(xs), len(xs), given[0].dtype
    flat, stride = order.sequence(xs.to(dtype))
    spikes = torch.empty(steps * order.size, dtype=dtype)
    states, constants = split(kind, given, order)
    ends = [torch.empty_like(part) for part in states]
    loop = loops.hierarchical_forward if kind.hierarchical else loops.leaky_forward
    how = (kind.reset,) if kind.hierarchical else (kind.reset, kind.strict)
    _run(loop, (flat, stride, steps, *states, *constants, *how, spikes, *ends), order)
    outputs = order.unflat(spikes, steps).to(xs.dtype), *(order.unflat(end) for end in ends)
    return outputs, (xs,) if keep else (), order


def kept_of(kind: Any, xs: Tensor, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `forward` would have kept for this input."""
    return (xs,)


def backward(
    kind: Any,
    order: Order,
    kept: Sequence[Tensor],
    given: Sequence[Tensor],
    gspikes: Tensor | None,
    gends: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Gradients of the input, of the parts of the first state and of the constants, None for those not wanted.

    Args:
        kind, given: as for `forward`.
        order, kept: what `forward` returned.
        gspikes: gradient of the spikes, [T, N, *F], or None.
        gends: gradients of the parts of the last state, or None.
        wanted: for input and every part of `given`, whether its gradient is asked for.
    """
    (xs,) = kept
    steps, dtype = len(xs), given[0].dtype
    flat, stride = order.sequence(xs.to(dtype))
    states, constants = split(kind, given, order)
    gs = torch.zeros(steps * order.size, dtype=dtype) if gspikes is None else order.all_steps(gspikes.to(dtype))
    ends = [torch.empty(0, dtype=dtype) if g is None else order.step(g.to(dtype)) for g in gends]
    gx, gstates = torch.empty(steps * order.size, dtype=dtype), [torch.empty_like(part) for part in states]
    asked = (*wanted[1 + len(states) :], False)[:4]
    of_constants = [torch.zeros(order.size if ask or kind.hierarchical else 0, dtype=dtype) for ask in asked]
    how = (kind.detached, kind.code, kind.parameter)
    arguments = (gs, *ends, gx, *gstates, *of_constants)
    if kind.hierarchical:
        _run(
            loops.hierarchical_backward, (flat, stride, steps, *states, *constants, kind.reset, *how, *arguments), order
        )
    else:
        how = (kind.reset, kind.strict, *how, kind.adaptive)
        _run(loops.leaky_backward, (flat, stride, steps, *states, *constants, *how, *arguments), order)
    gradients: list[Tensor | None] = [order.unflat(gx, steps).to(xs.dtype) if wanted[0] else None]
    gradients += [order.unflat(g) if ask else None for g, ask in zip(gstates, wanted[1:])]
    for number, value in enumerate(given[len(states) :]):
        asks = number < len(asked) and asked[number]
        gradients.append(shared(kind, value, of_constants[number], order, number) if asks else None)
    return tuple(gradients)


def _run(loop: Any, arguments: Sequence[Any], order: Order) -> None:
    plain = tuple(value.detach().numpy() if isinstance(value, Tensor) else value for value in arguments)
    over_parts(loop, plain, -(-order.size // loops.BLOCK))

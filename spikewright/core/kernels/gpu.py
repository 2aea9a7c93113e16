"""The fused passes on a GPU: tensors in memory order, one Triton program per block of neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import gpu_loops
from .constants import shared, split
from .order import Order, order_of

loops: Any = gpu_loops  # a kernel is called with its grid in brackets
BLOCK, WARPS = 1024, 4
_EXACT = {} if loops.INTERPRETED else {"enable_fp_fusion": False}
"""Multiplications and additions are rounded one by one, as torch does it: otherwise spikes would differ at ties."""


def forward(
    kind: Any, xs: Tensor, given: Sequence[Tensor], keep: bool
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Order]:
    """Run all steps; see `kernels.cpu.forward`."""
    order, steps = order_of(xs), len(xs)
    flat, stride = order.sequence(xs)
    states, constants = split(kind, given, order)
    spikes = _empty(steps * order.size, xs)
    # a distance in half precision keeps its sign, and so tells the spike
    distances = _empty(steps * order.size if keep else 0, xs)
    ends = [torch.empty_like(part) for part in states]
    how = {"steps": steps, "reset": kind.reset, "block": BLOCK, "keep": keep, "num_warps": WARPS, **_EXACT}
    if kind.hierarchical:
        dendrites = torch.empty_like(distances)
        ones = _ones(order, one_factor=constants[0], one_threshold=constants[4])
        outputs = spikes, distances, dendrites, *ends
        loops.hierarchical_forward[_grid(order)](flat, stride, order.size, *states, *constants, *outputs, **ones, **how)
        kept = distances, dendrites
    else:
        ones = _ones(order, one_decay=constants[0], one_gain=constants[1], one_threshold=constants[2])
        outputs = spikes, distances, *ends
        loops.leaky_forward[_grid(order)](
            flat, stride, order.size, *states, *constants, *outputs, strict=kind.strict, **ones, **how
        )
        kept = (distances, xs) if given[2].requires_grad else (distances,)
    return (order.unflat(spikes, steps), *(order.unflat(end) for end in ends)), kept, order


def kept_of(kind: Any, xs: Tensor, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `forward` would have kept for this input: its steps are run again."""
    return forward(kind, xs, given, keep=True)[1]


def backward(
    kind: Any,
    order: Order,
    kept: Sequence[Tensor],
    given: Sequence[Tensor],
    gspikes: Tensor | None,
    gends: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Gradients; see `kernels.cpu.backward`."""
    distances, steps = kept[0], kept[0].numel() // order.size
    states, constants = split(kind, given, order)
    gs = distances if gspikes is None else order.all_steps(gspikes)
    ends = [distances if g is None else order.step(g) for g in gends]
    gx, gstates = torch.empty_like(distances), [torch.empty_like(part) for part in states]
    given_constants = given[len(states) :]
    asked = (*wanted[1 + len(states) :], False)[: 5 if kind.hierarchical else 4]
    of_constants = [_kept_gradient(value, ask, order) for value, ask in zip(given_constants, asked)]
    of_constants += [distances] * (len(asked) - len(of_constants))
    how: dict[str, Any] = {
        "steps": steps, "reset": kind.reset, "detached": kind.detached, "code": kind.code, "block": BLOCK,
        "has_spikes": gspikes is not None, "has_end": gends[-1] is not None, "num_warps": WARPS, **_EXACT,
    }  # fmt: skip
    if kind.hierarchical:
        ones = _ones(order, one_factor=constants[0], one_threshold=constants[4])
        loops.hierarchical_backward[_grid(order)](
            *kept, order.size, *states, *constants, gs, *ends, gx, *gstates, *of_constants[:4], kind.parameter,
            has_dendrite=gends[0] is not None, **ones, **how,
        )  # fmt: skip
    else:
        xs, stride = order.sequence(kept[1]) if len(kept) > 1 else (distances, 0)
        ones = _ones(order, one_decay=constants[0], one_gain=constants[1], one_threshold=constants[2])
        names = ("want_decay", "want_gain", "want_threshold", "want_activity")
        activity = given[-1] if kind.adaptive else constants[0]
        loops.leaky_backward[_grid(order)](
            distances, xs, stride, order.size, *states, *constants, gs, *ends, gx, *gstates, *of_constants,
            kind.parameter, adaptive=kind.adaptive, strict=kind.strict, one_activity=activity.numel() == 1, **ones,
            **dict(zip(names, asked)), **how,
        )  # fmt: skip
    gradients: list[Tensor | None] = [order.unflat(gx, steps) if wanted[0] else None]
    gradients += [order.unflat(g) if ask else None for g, ask in zip(gstates, wanted[1:])]
    for number, (value, g, ask) in enumerate(zip(given_constants, of_constants, asked)):
        gradients.append(shared(kind, value, g, order, number) if ask else None)
    return tuple(gradients)


def _empty(size: int, like: Tensor) -> Tensor:
    return torch.empty(size, dtype=like.dtype, device=like.device)


def _grid(order: Order) -> tuple[int]:
    return (-(-order.size // BLOCK),)


def _ones(order: Order, **constants: Tensor) -> dict[str, bool]:
    """Which constants are one number for all neurons."""
    return {name: value.numel() == 1 for name, value in constants.items()}


def _kept_gradient(value: Tensor, ask: bool, order: Order) -> Tensor:
    """Where a kernel writes the gradient of a constant: a sum per program, or a value per neuron."""
    size = 0 if not ask else _grid(order)[0] if value.numel() == 1 else order.size
    return torch.empty(size, dtype=value.dtype, device=value.device)

"""advance(): plain neurons over all time steps as one kernel of a CUDA device, equal to `dense_neurons.advance`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

if TYPE_CHECKING:
    from .dense_neurons import Constants, Equation

_BLOCK = 512


@triton.jit
def _advance(  # pragma: no cover - compiled for a device
    x,
    y,
    v,
    out,
    v_threshold,
    start,
    decay,
    gain,
    mask,
    amplitude,
    bias,
    x_step,
    y_step,
    total,
    period,
    TIMESTEPS: tl.constexpr,
    TWO: tl.constexpr,
    FRESH: tl.constexpr,
    AFTER: tl.constexpr,
    SIGNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One block of neurons over all steps; every pointer's arrays are flat, and `v` holds the last potential then."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = at < total
    place = at % period
    theta = tl.load(v_threshold + place, mask=live, other=1.0)
    kept = tl.load(decay + place, mask=live, other=1.0)
    scale = tl.load(gain + place, mask=live, other=1.0)
    may = tl.load(mask + place, mask=live, other=0.0)
    worth = tl.load(amplitude + place, mask=live, other=0.0)
    added = tl.load(bias + place, mask=live, other=0.0)
    potential = tl.load(start + place, mask=live, other=0.0) if FRESH else tl.load(v + at, mask=live, other=0.0)
    for _ in range(TIMESTEPS):
        current = added + tl.load(x + at, mask=live, other=0.0).to(tl.float32)
        if TWO:
            current += tl.load(y + at, mask=live, other=0.0).to(tl.float32)
            y += y_step
        potential = kept * potential + scale * current
        fired = tl.where(potential >= theta, may, 0.0)
        if SIGNED:
            fired -= tl.where(potential <= -theta, 1.0, 0.0)
        if AFTER == 0:
            potential -= fired * theta
        elif AFTER == 1:
            potential *= 1.0 - fired
        tl.store(out + at, (fired * worth).to(out.dtype.element_ty), mask=live)
        x += x_step
        out += total
    tl.store(v + at, potential, mask=live)


def advance(xs: Sequence[Tensor], v: Tensor | None, constants: Constants, equation: Equation, out: Tensor) -> Tensor:
    """`dense_neurons.advance` as one kernel: inputs are read once, and the potentials stay in registers.

    Args:
        xs, v, constants, equation, out: as there, without gaps in memory.
    """
    total = out[0].numel()
    after = xs[0].new_empty(out.shape[1:], dtype=constants.bias.dtype)
    if v is not None:
        after.copy_(v)
    first, last = xs[0], xs[-1]
    _advance[(triton.cdiv(total, _BLOCK),)](  # pyright: ignore[reportIndexIssue]
        *(first, last, after, out, *constants),
        *((total if len(x) > 1 else 0) for x in (first, last)),
        *(total, len(constants.bias)),
        TIMESTEPS=len(out),
        TWO=len(xs) > 1,
        FRESH=v is None,
        AFTER=int(equation.after),
        SIGNED=equation.signed,
        BLOCK=_BLOCK,
    )
    return after

"""fire_block(): the firing functions in a compiled loop, equal to their torch form to the last bit."""

from __future__ import annotations

import numpy as np

from ...core.compiled import compiled
from .firing import TIE, Firing, Sign
from .harmony import Harmony
from .multi_threshold import MultiThreshold
from .single_threshold import SingleThreshold

BLOCK = 1024
"""Neurons that are advanced together: their states stay in the core's nearest cache."""
_KINDS: dict[type[Firing], int] = {SingleThreshold: 0, MultiThreshold: 1, Harmony: 2}
_SIGNS = {Sign.POSITIVE: 0, Sign.BUDGETED: 1, Sign.BOTH: 2}


def encoded(firing: Firing, sign: Sign, dtype: np.dtype) -> tuple[int, int, np.ndarray, np.ndarray] | None:
    """A firing function and a sign as `fire_block` takes them; None for a firing function that it does not know.

    Returns:
        Kind, sign, thresholds from the smallest to the largest, and the function's other constants.
    """
    kind = _KINDS.get(type(firing))
    if kind is None:
        return None
    levels = [value for value in firing.values(Sign.POSITIVE) if value > 0] if kind == 1 else [1.0]
    dead_zone = firing.dead_zone if isinstance(firing, Harmony) and firing.dead_zone > 0.5 else 0.0
    others = [firing.reach, dead_zone, TIE, 1 + TIE, 1 - TIE, 0.5 + TIE, 0.75]
    return kind, _SIGNS[sign], np.array(levels, dtype), np.array(others, dtype)


@compiled
def fire_block(kind, sign, levels, others, v, emitted, fired, n):  # pragma: no cover - compiled
    """What n neurons fire at potentials v, having emitted so much; all arrays of one dtype, in thresholds."""
    zero = levels[0] - levels[0]
    if kind == 0:
        one = levels[0]
        if sign == 0:
            for i in range(n):
                fired[i] = one if v[i] >= one else zero
        elif sign == 1:
            for i in range(n):
                down = -one if (v[i] <= zero) & (emitted[i] >= others[4]) else zero
                fired[i] = one if v[i] >= one else down
        else:
            for i in range(n):
                down = -one if v[i] <= zero else zero
                fired[i] = one if v[i] >= one else down
    elif kind == 1:
        for i in range(n):
            fired[i] = zero
        for level in levels:
            border = others[6] * level
            if sign == 0:
                for i in range(n):
                    fired[i] = level if v[i] >= border else fired[i]
            elif sign == 1:
                for i in range(n):
                    down = -level if (v[i] <= -border) & (emitted[i] * others[3] >= level) else fired[i]
                    fired[i] = level if v[i] >= border else down
            else:
                for i in range(n):
                    down = -level if v[i] <= -border else fired[i]
                    fired[i] = level if v[i] >= border else down
    elif sign == 0:
        for i in range(n):
            fired[i] = min(max(np.floor(v[i] + others[2]), zero), others[0])
    else:
        for i in range(n):
            a = abs(v[i])
            size = min(np.floor(a + others[5]), others[0])
            size = size if a >= others[1] else zero
            fired[i] = size if v[i] >= zero else -size
        if sign == 1:
            for i in range(n):
                fired[i] = max(fired[i], -np.floor(emitted[i] + others[2]))

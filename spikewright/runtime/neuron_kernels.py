"""advance(): what neurons make of the currents of all time steps, in compiled loops; spikes take their place."""

from __future__ import annotations

import numpy as np

from ..core.compiled import compiled
from ..neurons.firing.compiled import fire_block

LEAKY, SIGNED, DIFFERENTIAL = 2, 3, 4
"""Kinds of neuron."""

V_THRESHOLD, START, DECAY, GAIN, MASK = range(5)
"""Rows of `constants`."""

RESET = 0
"""Place in `numbers` of leaky neurons."""

CONSTANT = 1
"""Row of `constants` of differential neurons: what arrives without an image."""

BEGUN, CEILING = range(2)
"""Places in `numbers` of differential neurons."""

SUBTRACT, TO_ZERO, NONE = range(3)
"""What firing does to the potential."""


@compiled
def _leaky(seen, state, constants, numbers):  # pragma: no cover - compiled
    reset, v = int(numbers[RESET]), state[0]
    for t in range(len(seen)):
        x = seen[t]
        for i in range(len(v)):
            charged = constants[DECAY, i] * v[i] + constants[GAIN, i] * x[i]
            s = np.float32(charged >= constants[V_THRESHOLD, i]) * constants[MASK, i]
            if reset == SUBTRACT:
                v[i] = charged - s * constants[V_THRESHOLD, i]
            elif reset == TO_ZERO:
                v[i] = charged * (np.float32(1) - s)
            else:
                v[i] = charged
            x[i] = s


@compiled
def _signed(seen, state, constants):  # pragma: no cover - compiled
    v = state[0]
    for t in range(len(seen)):
        x = seen[t]
        for i in range(len(v)):
            charged = v[i] + x[i]
            border = constants[V_THRESHOLD, i]
            s = np.float32(charged >= border) - np.float32(charged <= -border)
            v[i] = charged - s * border
            x[i] = s


@compiled
def _differential(seen, state, constants, numbers, steps, code, levels, others, scratch):  # pragma: no cover - compiled
    got, said, theta, silent = state[0], state[1], constants[V_THRESHOLD], constants[CONSTANT]
    v, emitted, fired = scratch[0], scratch[1], scratch[2]
    begun, ceiling = numbers[BEGUN], numbers[CEILING]
    n = len(got)
    for t in range(len(seen)):
        x, step = seen[t], steps[t]
        for i in range(n):
            now = got[i] + (x[i] - silent[i]) / step
            got[i] = now
            v[i] = begun + step * (min(now, ceiling) - said[i]) / theta[i]
        if code[1] == 1:
            for i in range(n):
                emitted[i] = step * said[i] / theta[i]
        fire_block(code[0], code[1], levels, others, v, emitted, fired, n)
        for i in range(n):
            x[i] = fired[i]
            said[i] = said[i] + fired[i] * theta[i] / step


@compiled
def advance(  # pragma: no cover - compiled
    kind, seen, state, constants, numbers, steps, code, levels, others, scratch
):
    """Run neurons over T steps.

    Args:
        kind: which neurons.
        seen: currents, [T, C]; holds the unit spikes afterwards.
        state: [S, C], potentials, or estimates; holds the last ones afterwards.
        constants: [K, C], see above.
        numbers: [M], see above.
        steps: t of every step, [T].
        code, levels, others: firing function, see `encoded`.
        scratch: [3, C].
    """
    if kind == LEAKY:
        _leaky(seen, state, constants, numbers)
    elif kind == SIGNED:
        _signed(seen, state, constants)
    else:
        _differential(seen, state, constants, numbers, steps, code, levels, others, scratch)

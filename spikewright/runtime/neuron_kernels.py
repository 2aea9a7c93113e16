"""advance(): what neurons make of the currents of all time steps, in compiled loops; spikes take their place."""

from __future__ import annotations

import numpy as np

from ..core.compiled import compiled

LEAKY, SIGNED = 2, 3
"""Kinds of neuron."""

V_THRESHOLD, START, DECAY, GAIN, MASK = range(5)
"""Rows of `constants`."""

RESET = 0
"""Place in `numbers`."""

SUBTRACT, TO_ZERO, NONE = range(3)
"""What firing does to the potential."""


@compiled
def _leaky(seen, v, constants, numbers):  # pragma: no cover - compiled
    reset = int(numbers[RESET])
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
def _signed(seen, v, constants, numbers):  # pragma: no cover - compiled
    for t in range(len(seen)):
        x = seen[t]
        for i in range(len(v)):
            charged = v[i] + x[i]
            border = constants[V_THRESHOLD, i]
            s = np.float32(charged >= border) - np.float32(charged <= -border)
            v[i] = charged - s * border
            x[i] = s


@compiled
def advance(kind, seen, v, constants, numbers):  # pragma: no cover - compiled
    """Run neurons over T steps.

    Args:
        kind: which neurons.
        seen: currents, [T, C]; holds the unit spikes afterwards.
        v: potentials, [C]; holds the last ones afterwards.
        constants: [K, C], see above.
        numbers: [M], see above.
    """
    if kind == LEAKY:
        _leaky(seen, v, constants, numbers)
    else:
        _signed(seen, v, constants, numbers)

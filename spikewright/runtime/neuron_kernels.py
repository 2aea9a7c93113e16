"""advance(): what neurons make of the currents of all time steps, in compiled loops; spikes take their place."""

from __future__ import annotations

import numpy as np
from numba import carray  # pyright: ignore[reportPrivateImportUsage]

from ..core.compiled import compiled
from ..neurons.firing.compiled import fire_block
from . import vector
from .vector import pointer

CURRENTS, INTEGRATE, REHEARSED, REPLAYED, LEAKY, SIGNED, GRADED, DIFFERENTIAL = range(8)
"""Kinds of neuron. Those up to `REPLAYED` integrate and subtract, and their spikes go straight into the lists; those
behind are advanced over all time steps, and their spikes take the place of the currents."""

V_THRESHOLD, START, DECAY, GAIN, MASK = range(5)
"""Rows of `constants`."""

IN_THRESHOLDS = 2
"""Row of `constants` of replayed neurons: the start before the first replay in units of the threshold."""

REHEARSAL, BORDER, RULE = range(3)
"""Places in `numbers` of rehearsed neurons."""

AT_LEAST, ABOVE = range(2)
"""Rules: which residual potentials pass the border."""

ROUNDS, WINDOW, MOST, MARGIN, NEVER = range(5)
"""Places in `numbers` of replayed neurons."""

SCRATCH = 4
"""Rows of `scratch`."""

RESET = 0
"""Place in `numbers` of leaky neurons."""

CONSTANT = 1
"""Row of `constants` of differential neurons: what arrives without an image."""

BEGUN, CEILING = range(2)
"""Places in `numbers` of differential neurons."""

SUBTRACT, TO_ZERO, NONE = range(3)
"""What firing does to the potential."""


@compiled
def _row(address, block, number):  # pragma: no cover - compiled
    """Row of a table of numbers at an address; a view of an array would count its owners, slower than what is done."""
    return carray(pointer(address + 4 * number * block), (block,), np.float32)


@compiled
def prepare(kind, seen, state, constants, block, numbers, steps, scratch):  # pragma: no cover - compiled
    """What rehearsed and replayed neurons do before the first step."""
    if kind == REHEARSED and steps[0] == np.float32(1):
        passes = _row(state, block, 1)
        for i in range(block):
            passes[i] = np.float32(1)
    elif kind == REPLAYED and numbers[ROUNDS] > 0:
        _calibrate(seen, state, constants, block, numbers, scratch)


@compiled
def restart(state, constants, block, numbers):  # pragma: no cover - compiled
    """The end of a rehearsal: which neurons go on to deliver, and potentials anew."""
    v, passes = _row(state, block, 0), _row(state, block, 1)
    theta, start = _row(constants, block, V_THRESHOLD), _row(constants, block, START)
    border, above = numbers[BORDER], int(numbers[RULE]) == ABOVE
    for i in range(block):
        residual = v[i] / theta[i]
        passes[i] = residual > border if above else residual >= border
    for i in range(block):
        v[i] = start[i]


@compiled
def _calibrate(seen, state, constants, block, numbers, scratch):  # pragma: no cover - compiled
    """Replay the window and shift the starts, as often as asked for or until all counts are right."""
    v, theta = _row(state, block, 0), _row(constants, block, V_THRESHOLD)
    start, spikes = _row(scratch, block, 0), _row(scratch, block, 1)
    lowest, highest = _row(scratch, block, 2), _row(scratch, block, 3)
    given = _row(constants, block, IN_THRESHOLDS)
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    window, most, margin, never = np.int64(numbers[WINDOW]), numbers[MOST], numbers[MARGIN], numbers[NEVER]
    for i in range(block):
        start[i] = given[i]
    for _ in range(int(numbers[ROUNDS])):
        for i in range(block):
            v[i] = start[i] * theta[i]
        for k in range(0, 4 * block, 4 * vector.LANES):
            vector.replay(state + k, seen + k, 4 * block, window, constants + k, scratch + 4 * block + k, 4 * block)
        wrong = zero
        for i in range(block):
            residual = v[i] / theta[i]
            wanted = min(max(spikes[i] + np.floor(residual - start[i] + half), zero), most)
            less = start[i] - max(min(lowest[i] / theta[i], never) + margin, one)
            more = start[i] + max(one - max(highest[i] / theta[i], -never) + margin, one)
            wrong += abs(spikes[i] - wanted)
            start[i] = less if spikes[i] > wanted else more if spikes[i] < wanted else start[i]
        if wrong == zero:
            break
    for i in range(block):
        v[i] = start[i] * theta[i]


@compiled
def _leaky(seen, timesteps, state, constants, block, numbers):  # pragma: no cover - compiled
    reset, v = int(numbers[RESET]), _row(state, block, 0)
    theta, mask = _row(constants, block, V_THRESHOLD), _row(constants, block, MASK)
    decay, gain = _row(constants, block, DECAY), _row(constants, block, GAIN)
    for t in range(timesteps):
        x = _row(seen, block, t)
        for i in range(block):
            v[i] = decay[i] * v[i] + gain[i] * x[i]
        for i in range(block):
            x[i] = mask[i] if v[i] >= theta[i] else np.float32(0)
        if reset == SUBTRACT:
            for i in range(block):
                v[i] -= x[i] * theta[i]
        elif reset == TO_ZERO:
            for i in range(block):
                v[i] *= np.float32(1) - x[i]


@compiled
def _signed(seen, timesteps, state, constants, block):  # pragma: no cover - compiled
    v, theta = _row(state, block, 0), _row(constants, block, V_THRESHOLD)
    for t in range(timesteps):
        x = _row(seen, block, t)
        for i in range(block):
            charged, border = v[i] + x[i], theta[i]
            s = np.float32(charged >= border) - np.float32(charged <= -border)
            v[i] = charged - s * border
            x[i] = s


@compiled
def _graded(  # pragma: no cover - compiled
    seen, timesteps, state, constants, block, code, levels, others, scratch
):
    v, emitted, fired = _row(state, block, 0), _row(state, block, 1), _row(scratch, block, 0)
    theta, decay = _row(constants, block, V_THRESHOLD), _row(constants, block, DECAY)
    for t in range(timesteps):
        x = _row(seen, block, t)
        for i in range(block):
            x[i] = x[i] / theta[i]
        for i in range(block):
            v[i] = decay[i] * v[i] + x[i]
        fire_block(code[0], code[1], levels, others, v, emitted, fired, block)
        for i in range(block):
            v[i] -= fired[i]
        for i in range(block):
            emitted[i] += fired[i]
        for i in range(block):
            x[i] = fired[i]


@compiled
def _differential(  # pragma: no cover - compiled
    seen, timesteps, state, constants, block, numbers, steps, code, levels, others, scratch
):
    got, said = _row(state, block, 0), _row(state, block, 1)
    theta, silent = _row(constants, block, V_THRESHOLD), _row(constants, block, CONSTANT)
    v, emitted, fired = _row(scratch, block, 0), _row(scratch, block, 1), _row(scratch, block, 2)
    per_threshold = _row(scratch, block, 3)
    begun, ceiling, one = numbers[BEGUN], numbers[CEILING], np.float32(1)
    for i in range(block):
        per_threshold[i] = one / theta[i]
    for t in range(timesteps):
        x, step = _row(seen, block, t), steps[t]
        share = one / step
        # loops over few arrays each: only then does the compiler see that they do not overlap, and takes eight at once
        for i in range(block):
            got[i] += (x[i] - silent[i]) * share
        for i in range(block):
            v[i] = begun + step * (min(got[i], ceiling) - said[i]) * per_threshold[i]
        if code[1] == 1:
            for i in range(block):
                emitted[i] = step * said[i] * per_threshold[i]
        fire_block(code[0], code[1], levels, others, v, emitted, fired, block)
        for i in range(block):
            said[i] += fired[i] * theta[i] * share
        for i in range(block):
            x[i] = fired[i]


@compiled
def advance(  # pragma: no cover - compiled
    kind, seen, timesteps, state, constants, block, numbers, steps, code, levels, others, scratch
):
    """Run neurons over T steps. Tables of numbers [rows, block] are given by their addresses.

    Args:
        kind: which neurons.
        seen: currents, [T, block]; holds the unit spikes afterwards.
        timesteps: T.
        state: [S, block], potentials, or estimates; holds the last ones afterwards.
        constants: [K, block], see above.
        block: number of neurons.
        numbers: [M], see above.
        steps: t of every step, [T].
        code, levels, others: firing function, see `encoded`.
        scratch: [SCRATCH, block].
    """
    if kind == LEAKY:
        _leaky(seen, timesteps, state, constants, block, numbers)
    elif kind == SIGNED:
        _signed(seen, timesteps, state, constants, block)
    elif kind == GRADED:
        _graded(seen, timesteps, state, constants, block, code, levels, others, scratch)
    else:
        _differential(seen, timesteps, state, constants, block, numbers, steps, code, levels, others, scratch)

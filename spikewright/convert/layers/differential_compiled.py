"""advance(): differential neurons over all steps in one compiled pass, equal to `differential_if_step`."""

from __future__ import annotations

import numpy as np

from ...core.compiled import compiled
from ...neurons.firing.compiled import BLOCK, fire_block


@compiled
def advance(  # pragma: no cover - compiled
    xs,
    out,
    r_in,
    r_out,
    constant,
    v_threshold,
    amplitude,
    ceiling,
    steps,
    start,
    kind,
    sign,
    levels,
    others,
    first,
    last,
):
    """Run neurons over T steps.

    Args:
        xs, out: input and output, [T, N, F].
        r_in, r_out: estimates, [N, F]; they hold those after the last step then.
        constant: the input's constant part, [F].
        v_threshold, amplitude: [F].
        ceiling: the largest activity, [1]; infinite without one.
        steps: t of every step, [T], in the dtype of the rest.
        start: potential before the first step in thresholds, [1].
        kind, sign, levels, others: see `encoded`.
        first, last: the samples to run.
    """
    timesteps, _, features = xs.shape
    largest, begun = ceiling[0], start[0]
    v = np.empty(BLOCK, xs.dtype)
    emitted = np.empty(BLOCK, xs.dtype)
    fired = np.empty(BLOCK, xs.dtype)
    for sample in range(first, last):
        for begin in range(0, features, BLOCK):
            n = min(BLOCK, features - begin)
            got, said = r_in[sample, begin : begin + n], r_out[sample, begin : begin + n]
            theta, constants = v_threshold[begin : begin + n], constant[begin : begin + n]
            worth = amplitude[begin : begin + n]
            for t in range(timesteps):
                x, step = xs[t, sample, begin : begin + n], steps[t]
                for i in range(n):
                    now = got[i] + (x[i] - constants[i]) / step
                    got[i] = now
                    wanted = largest if now > largest else now
                    v[i] = begun + step * (wanted - said[i]) / theta[i]
                if sign == 1:
                    for i in range(n):
                        emitted[i] = step * said[i] / theta[i]
                fire_block(kind, sign, levels, others, v, emitted, fired, n)
                y = out[t, sample, begin : begin + n]
                for i in range(n):
                    y[i] = fired[i] * worth[i]
                    said[i] = said[i] + fired[i] * theta[i] / step

"""advance(): rate-coded neurons with several thresholds over all steps in one compiled pass, equal to their step."""

from __future__ import annotations

import numpy as np

from ..core.compiled import compiled
from .firing.compiled import BLOCK, fire_block


@compiled
def advance(  # pragma: no cover - compiled
    xs, out, potential, total, v_threshold, decay, amplitude, kind, sign, levels, others, first, last
):
    """Run neurons over T steps.

    Args:
        xs, out: input and output, [T, N, F].
        potential, total: state, [N, F]; it holds that after the last step then.
        v_threshold, decay, amplitude: [F].
        kind, sign, levels, others: see `encoded`.
        first, last: the samples to run.
    """
    timesteps, _, features = xs.shape
    fired = np.empty(BLOCK, xs.dtype)
    for sample in range(first, last):
        for begin in range(0, features, BLOCK):
            n = min(BLOCK, features - begin)
            v, emitted = potential[sample, begin : begin + n], total[sample, begin : begin + n]
            theta, kept = v_threshold[begin : begin + n], decay[begin : begin + n]
            worth = amplitude[begin : begin + n]
            for t in range(timesteps):
                x, y = xs[t, sample, begin : begin + n], out[t, sample, begin : begin + n]
                for i in range(n):
                    v[i] = kept[i] * v[i] + x[i] / theta[i]
                fire_block(kind, sign, levels, others, v, emitted, fired, n)
                for i in range(n):
                    v[i] = v[i] - fired[i]
                    emitted[i] = emitted[i] + fired[i]
                    y[i] = fired[i] * worth[i]

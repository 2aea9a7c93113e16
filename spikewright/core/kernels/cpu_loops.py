"""All time steps of a layer's neurons in one pass over blocks that stay in the cache: forward and backward, in numba.

Sequences are flat, [T * M] with the M values of a step in memory order; `stride` is M, or 0 where every step is the
same. Constants are arrays of one number or of M. Kept for the backward pass is the input; potentials are computed
again, block by block. The order of the operations is that of the neurons' steps, so that the spikes are the same bits.

Each inner loop writes one array and reads few: compilers give up making vectors of a loop whose arrays might overlap in
too many ways.
"""

from __future__ import annotations

import math

import numpy as np

from ..compiled import compiled
from .derivatives import (
    AS_WIDE_AS_THRESHOLD,
    ATAN,
    RECTANGLE,
    SIGMOID,
    SOFT_SIGN,
    STRAIGHT,
    SUPER_SPIKE,
    TRIANGLE,
)

SUBTRACT, TO_ZERO, NONE = 0, 1, 2
BLOCK = 512


@compiled
def _constant(values, first, size, out):  # pragma: no cover - compiled
    """A constant of a block of neurons."""
    if len(values) == 1:
        out[:size] = values[0]
    else:
        out[:size] = values[first : first + size]


@compiled
def _border(threshold, strict, out):  # pragma: no cover - compiled
    """The lowest potential that fires: the threshold, or where only what lies above it fires the next number."""
    highest = threshold.dtype.type(np.inf)
    for i in range(len(out)):
        out[i] = np.nextafter(threshold[i], highest) if strict else threshold[i]


@compiled
def _charge(kept, v, gained, x, m):  # pragma: no cover - compiled
    for i in range(len(m)):
        m[i] = kept[i] * v[i] + gained[i] * x[i]


@compiled
def _fire(m, threshold, out):  # pragma: no cover - compiled
    zero, one = m.dtype.type(0), m.dtype.type(1)
    for i in range(len(m)):
        out[i] = one if m[i] >= threshold[i] else zero


@compiled
def _minus(a, b, out):  # pragma: no cover - compiled
    for i in range(len(out)):
        out[i] = a[i] - b[i]


@compiled
def _times(a, b, out):  # pragma: no cover - compiled
    for i in range(len(out)):
        out[i] = a[i] * b[i]


@compiled
def _scale(a, out):  # pragma: no cover - compiled
    for i in range(len(out)):
        out[i] *= a[i]


@compiled
def _add_product(a, b, out):  # pragma: no cover - compiled
    for i in range(len(out)):
        out[i] += a[i] * b[i]


@compiled
def _derivative(code, parameter, u, threshold, out):  # pragma: no cover - compiled
    """Surrogate derivative of a step's distances from the threshold."""
    a = u.dtype.type(parameter)
    one, two, half = u.dtype.type(1), u.dtype.type(2), u.dtype.type(0.5)
    if code == ATAN:
        c = u.dtype.type(math.pi / 2 * parameter)
        h = a * half
        for i in range(len(u)):
            w = c * u[i]
            out[i] = h / (one + w * w)
    elif code == TRIANGLE:
        r = one / (a * a)
        for i in range(len(u)):
            w = a - abs(u[i])
            out[i] = (w if w > 0 else w * 0) * r
    elif code == RECTANGLE:
        h, r = a * half, one / a
        for i in range(len(u)):
            out[i] = r if abs(u[i]) < h else r * 0
    elif code == SUPER_SPIKE:
        for i in range(len(u)):
            w = one + a * abs(u[i])
            out[i] = one / (w * w)
    elif code == SOFT_SIGN:
        for i in range(len(u)):
            w = one + a * abs(u[i])
            out[i] = a / (two * w * w)
    elif code == STRAIGHT:
        out[:] = one
    elif code == SIGMOID:
        for i in range(len(u)):
            p = one / (one + math.exp(-a * u[i]))
            out[i] = a * p * (one - p)
    elif code == AS_WIDE_AS_THRESHOLD:
        for i in range(len(u)):
            w = one - abs(u[i]) / threshold[i]
            out[i] = (w if w > 0 else w * 0) / threshold[i]


@compiled
def _reset(kind, m, threshold, border, v):  # pragma: no cover - compiled
    """Potential after the reset."""
    zero, one = m.dtype.type(0), m.dtype.type(1)
    if kind == SUBTRACT:
        for i in range(len(m)):
            v[i] = m[i] - (one if m[i] >= border[i] else zero) * threshold[i]
    elif kind == TO_ZERO:
        for i in range(len(m)):
            v[i] = m[i] * (zero if m[i] >= border[i] else one)
    else:
        v[:] = m


@compiled
def _reset_backward(kind, detached, m, threshold, border, gv, gs):  # pragma: no cover - compiled
    """Gradients of potential before the reset (into `gv`) and spikes (onto `gs`) from that of the potential after."""
    zero = m.dtype.type(0)
    if kind == SUBTRACT:
        if not detached:
            for i in range(len(m)):
                gs[i] -= gv[i] * threshold[i]
    elif kind == TO_ZERO:
        if not detached:
            for i in range(len(m)):
                gs[i] -= gv[i] * m[i]
        for i in range(len(m)):
            gv[i] = zero if m[i] >= border[i] else gv[i]


@compiled
def leaky_forward(
    xs, stride, steps, start, decay, gain, threshold, kind, strict, spikes, end, first, last
):  # pragma: no cover
    """Spikes [T * M] and last potential [M] of leaky neurons, for the blocks first..last."""
    size = len(start)
    work = np.empty((6, BLOCK), xs.dtype)
    v, m, kept, gained, limit, border = work[0], work[1], work[2], work[3], work[4], work[5]
    for block in range(first, last):
        begin = block * BLOCK
        n = min(BLOCK, size - begin)
        _constant(decay, begin, n, kept)
        _constant(gain, begin, n, gained)
        _constant(threshold, begin, n, limit)
        _border(limit[:n], strict, border[:n])
        v[:n] = start[begin : begin + n]
        for t in range(steps):
            x = xs[t * stride + begin : t * stride + begin + n]
            out = spikes[t * size + begin : t * size + begin + n]
            _charge(kept[:n], v[:n], gained[:n], x, m[:n])
            _fire(m[:n], border[:n], out)
            _reset(kind, m[:n], limit[:n], border[:n], v[:n])
        end[begin : begin + n] = v[:n]


@compiled
def leaky_backward(
    xs, stride, steps, start, decay, gain, threshold, kind, strict, detached, code, parameter, adaptive,
    gs, gend, gx, gstart, gdecay, ggain, gthreshold, gactivity, first, last,
):  # fmt: skip  # pragma: no cover
    """Gradients of leaky neurons for the blocks first..last; an array of length 0 is a gradient nobody asks for."""
    size = len(start)
    trace = np.empty((3, steps, BLOCK), xs.dtype)
    ms, vs, ks = trace[0], trace[1], trace[2]
    work = np.empty((8, BLOCK), xs.dtype)
    v, u, kept, gained, limit, gv, g = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    border = work[7]
    zero, one = xs.dtype.type(0), xs.dtype.type(1)
    for block in range(first, last):
        begin = block * BLOCK
        n = min(BLOCK, size - begin)
        here = slice(begin, begin + n)
        _constant(decay, begin, n, kept)
        _constant(gain, begin, n, gained)
        _constant(threshold, begin, n, limit)
        _border(limit[:n], strict, border[:n])
        v[:n] = start[here]
        for t in range(steps):
            x = xs[t * stride + begin : t * stride + begin + n]
            m = ms[t]
            vs[t, :n] = v[:n]
            _charge(kept[:n], v[:n], gained[:n], x, m[:n])
            _minus(m[:n], limit[:n], u[:n])
            _derivative(code, parameter, u[:n], limit[:n], ks[t, :n])
            _reset(kind, m[:n], limit[:n], border[:n], v[:n])
        gv[:n] = zero
        if len(gend):
            gv[:n] = gend[here]
        for t in range(steps - 1, -1, -1):
            m, before, k = ms[t], vs[t], ks[t]
            x = xs[t * stride + begin : t * stride + begin + n]
            into = gx[t * size + begin : t * size + begin + n]
            g[:n] = gs[t * size + begin : t * size + begin + n]
            if len(gthreshold) and not adaptive and kind == SUBTRACT:
                for i in range(n):
                    gthreshold[begin + i] -= gv[i] * (one if m[i] >= border[i] else zero)
            _reset_backward(kind, detached, m[:n], limit[:n], border[:n], gv[:n], g[:n])
            if len(gthreshold) and adaptive:
                for i in range(n):
                    gthreshold[begin + i] -= g[i] * k[i] * k[i] * limit[i]
            elif len(gthreshold):
                for i in range(n):
                    gthreshold[begin + i] -= g[i] * k[i]
            if len(gactivity):
                for i in range(n):
                    gactivity[begin + i] += (k[i] * limit[i]) if m[i] >= border[i] else zero
            _add_product(g[:n], k[:n], gv[:n])
            _times(gv[:n], gained[:n], into)
            if len(ggain):
                _add_product(gv[:n], x, ggain[here])
            if len(gdecay):
                _add_product(gv[:n], before[:n], gdecay[here])
            _scale(kept[:n], gv[:n])
        gstart[here] = gv[:n]


@compiled
def hierarchical_forward(
    xs, stride, steps, dendrite, start, a1, b1, a2, b2, threshold, kind, spikes, dendrite_end, end, first, last
):  # pragma: no cover
    """Spikes [T * M] and last potentials [M] of multi-hierarchical neurons, for the blocks first..last."""
    size = len(start)
    work = np.empty((8, BLOCK), xs.dtype)
    d, v, m, p1, q1, p2, q2, limit = work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    for block in range(first, last):
        begin = block * BLOCK
        n = min(BLOCK, size - begin)
        here = slice(begin, begin + n)
        _constant(a1, begin, n, p1)
        _constant(b1, begin, n, q1)
        _constant(a2, begin, n, p2)
        _constant(b2, begin, n, q2)
        _constant(threshold, begin, n, limit)
        d[:n], v[:n] = dendrite[here], start[here]
        for t in range(steps):
            x = xs[t * stride + begin : t * stride + begin + n]
            out = spikes[t * size + begin : t * size + begin + n]
            for i in range(n):
                d[i] = p1[i] * d[i] + q1[i] * v[i] + x[i]
            _charge(p2[:n], v[:n], q2[:n], d[:n], m[:n])
            _fire(m[:n], limit[:n], out)
            _reset(kind, m[:n], limit[:n], limit[:n], v[:n])
        dendrite_end[here], end[here] = d[:n], v[:n]


@compiled
def hierarchical_backward(
    xs, stride, steps, dendrite, start, a1, b1, a2, b2, threshold, kind, detached, code, parameter,
    gs, gdendrite_end, gend, gx, gdendrite, gstart, ga1, gb1, ga2, gb2, first, last,
):  # fmt: skip  # pragma: no cover
    """Gradients of multi-hierarchical neurons for the blocks first..last; those of the factors are per neuron."""
    size = len(start)
    trace = np.empty((4, steps + 1, BLOCK), xs.dtype)
    ms, vs, ds, ks = trace[0], trace[1], trace[2], trace[3]
    work = np.empty((9, BLOCK), xs.dtype)
    u, p1, q1, p2, q2, limit, gv, gd, g = (
        work[0],
        work[1],
        work[2],
        work[3],
        work[4],
        work[5],
        work[6],
        work[7],
        work[8],
    )
    zero = xs.dtype.type(0)
    for block in range(first, last):
        begin = block * BLOCK
        n = min(BLOCK, size - begin)
        here = slice(begin, begin + n)
        _constant(a1, begin, n, p1)
        _constant(b1, begin, n, q1)
        _constant(a2, begin, n, p2)
        _constant(b2, begin, n, q2)
        _constant(threshold, begin, n, limit)
        ds[0, :n], vs[0, :n] = dendrite[here], start[here]
        for t in range(steps):
            x = xs[t * stride + begin : t * stride + begin + n]
            m, v, d, after = ms[t], vs[t], ds[t], ds[t + 1]
            for i in range(n):
                after[i] = p1[i] * d[i] + q1[i] * v[i] + x[i]
            _charge(p2[:n], v[:n], q2[:n], after[:n], m[:n])
            _minus(m[:n], limit[:n], u[:n])
            _derivative(code, parameter, u[:n], limit[:n], ks[t, :n])
            _reset(kind, m[:n], limit[:n], limit[:n], vs[t + 1, :n])
        gv[:n] = zero
        if len(gend):
            gv[:n] = gend[here]
        gd[:n] = zero
        if len(gdendrite_end):
            gd[:n] = gdendrite_end[here]
        for t in range(steps - 1, -1, -1):
            m, v, d, after, k = ms[t], vs[t], ds[t], ds[t + 1], ks[t]
            into = gx[t * size + begin : t * size + begin + n]
            g[:n] = gs[t * size + begin : t * size + begin + n]
            _reset_backward(kind, detached, m[:n], limit[:n], limit[:n], gv[:n], g[:n])
            _add_product(g[:n], k[:n], gv[:n])
            _add_product(q2[:n], gv[:n], gd[:n])
            into[:] = gd[:n]
            _add_product(gd[:n], d[:n], ga1[here])
            _add_product(gd[:n], v[:n], gb1[here])
            _add_product(gv[:n], v[:n], ga2[here])
            _add_product(gv[:n], after[:n], gb2[here])
            for i in range(n):
                gv[i] = p2[i] * gv[i] + q1[i] * gd[i]
            _scale(p1[:n], gd[:n])
        gstart[here], gdendrite[here] = gv[:n], gd[:n]

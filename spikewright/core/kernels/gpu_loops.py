"""All time steps of a layer's neurons in one kernel on a GPU: forward and backward, in Triton.

Each program holds the potentials of its neurons in registers and goes through the steps. The forward pass writes the
distance from the threshold beside the spikes; from it the backward pass knows potential and spike of every step, and
reads nothing twice. Sequences are flat, [T * M]; constants are arrays of one number (`_ONE`) or of M. Gradients of
constants are summed over the neurons of a program, one number each, where the constant is one number.
"""

from __future__ import annotations

import os

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether the kernels are run by Triton's interpreter, which takes tensors on the CPU: for tests."""


@triton.jit
def _constant(values, i, inside, one: tl.constexpr):
    at = 0 * i if one else i
    return tl.load(values + at, mask=inside, other=1.0)


@triton.jit
def _derivative(code: tl.constexpr, a, u, threshold):
    if code == 0:
        w = 1.5707963267948966 * a * u
        k = a * 0.5 / (1 + w * w)
    elif code == 1:
        k = tl.maximum(a - tl.abs(u), 0.0) / (a * a)
    elif code == 2:
        k = tl.where(tl.abs(u) < a * 0.5, 1 / a, 0.0) + 0 * u
    elif code == 3:
        w = 1 + a * tl.abs(u)
        k = 1 / (w * w)
    elif code == 4:
        w = 1 + a * tl.abs(u)
        k = a / (2 * w * w)
    elif code == 5:
        k = 0 * u + 1.0
    elif code == 6:
        p = 1 / (1 + tl.exp(-a * u))
        k = a * p * (1 - p)
    else:
        k = tl.maximum(1 - tl.abs(u) / threshold, 0.0) / threshold
    return k


@triton.jit
def _keep(kept, i, total, inside, one: tl.constexpr):
    """A gradient of a constant: per neuron, or the program's sum."""
    if one:
        tl.store(kept + tl.program_id(0), tl.sum(tl.where(inside, total, 0.0)))
    else:
        tl.store(kept + i, total, mask=inside)


@triton.jit
def leaky_forward(
    xs, stride, size, start, decay, gain, threshold, spikes, distances, end,
    steps: tl.constexpr, reset: tl.constexpr, block: tl.constexpr,
    one_decay: tl.constexpr, one_gain: tl.constexpr, one_threshold: tl.constexpr, keep: tl.constexpr,
    strict: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = i < size
    wide = 0 * i + size  # a sequence may have more values than 32 bits count
    v = tl.load(start + i, mask=inside, other=0.0)
    kept = _constant(decay, i, inside, one_decay)
    gained = _constant(gain, i, inside, one_gain)
    limit = _constant(threshold, i, inside, one_threshold)
    for t in tl.range(steps, loop_unroll_factor=4):
        x = tl.load(xs + t * (0 * i + stride) + i, mask=inside, other=0.0).to(v.dtype)
        m = kept * v + gained * x
        fired = m > limit if strict else m >= limit
        at = t * wide + i
        tl.store(spikes + at, fired.to(spikes.dtype.element_ty), mask=inside)
        if keep:
            tl.store(distances + at, (m - limit).to(distances.dtype.element_ty), mask=inside)
        if reset == 0:
            v = tl.where(fired, m - limit, m)
        elif reset == 1:
            v = tl.where(fired, 0.0, m)
        else:
            v = m
    tl.store(end + i, v, mask=inside)


@triton.jit
def leaky_backward(
    distances, xs, stride, size, start, decay, gain, threshold, gspikes, gend, gx, gstart,
    gdecay, ggain, gthreshold, gactivity, parameter,
    steps: tl.constexpr, reset: tl.constexpr, detached: tl.constexpr, code: tl.constexpr, adaptive: tl.constexpr,
    block: tl.constexpr, one_decay: tl.constexpr, one_gain: tl.constexpr, one_threshold: tl.constexpr,
    one_activity: tl.constexpr, has_spikes: tl.constexpr, has_end: tl.constexpr,
    want_decay: tl.constexpr, want_gain: tl.constexpr, want_threshold: tl.constexpr, want_activity: tl.constexpr,
    strict: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = i < size
    wide = 0 * i + size  # a sequence may have more values than 32 bits count
    first = tl.load(start + i, mask=inside, other=0.0)
    kept = _constant(decay, i, inside, one_decay)
    gained = _constant(gain, i, inside, one_gain)
    limit = _constant(threshold, i, inside, one_threshold)
    zero = first * 0
    gv = zero
    if has_end:
        gv = tl.load(gend + i, mask=inside, other=0.0)
    of_decay, of_gain, of_threshold, of_activity = zero, zero, zero, zero
    u = tl.load(distances + (steps - 1) * wide + i, mask=inside, other=0.0).to(zero.dtype)
    for back in tl.range(steps, loop_unroll_factor=4):
        t = steps - 1 - back
        at = t * wide + i
        m = u + limit
        fired = u > 0 if strict else u >= 0
        g = zero
        if has_spikes:
            g = tl.load(gspikes + at, mask=inside, other=0.0).to(zero.dtype)
        if reset == 0:
            if want_threshold and not adaptive:
                of_threshold -= tl.where(fired, gv, 0.0)
            if not detached:
                g -= gv * limit
        elif reset == 1:
            if not detached:
                g -= gv * m
            gv = tl.where(fired, 0.0, gv)
        k = _derivative(code, parameter, u, limit)
        if want_threshold:
            if adaptive:
                of_threshold -= g * k * k * limit
            else:
                of_threshold -= g * k
        if want_activity:
            of_activity += tl.where(fired, k * limit, 0.0)
        gv += g * k
        tl.store(gx + at, (gv * gained).to(gx.dtype.element_ty), mask=inside)
        if want_gain:
            of_gain += gv * tl.load(xs + t * (0 * i + stride) + i, mask=inside, other=0.0).to(zero.dtype)
        # the potential before this step: what the step before left, or the first one
        u = tl.load(distances + at - size, mask=inside & (t > 0), other=0.0).to(zero.dtype)
        if want_decay:
            m = u + limit
            fired = u > 0 if strict else u >= 0
            if reset == 0:
                before = tl.where(fired, u, m)
            elif reset == 1:
                before = tl.where(fired, 0.0, m)
            else:
                before = m
            of_decay += gv * tl.where(t > 0, before, first)
        gv = gv * kept
    tl.store(gstart + i, gv, mask=inside)
    if want_decay:
        _keep(gdecay, i, of_decay, inside, one_decay)
    if want_gain:
        _keep(ggain, i, of_gain, inside, one_gain)
    if want_threshold:
        _keep(gthreshold, i, of_threshold, inside, one_threshold)
    if want_activity:
        _keep(gactivity, i, of_activity, inside, one_activity)


@triton.jit
def hierarchical_forward(
    xs, stride, size, dendrite, start, a1, b1, a2, b2, threshold, spikes, distances, dendrites, dendrite_end, end,
    steps: tl.constexpr, reset: tl.constexpr, block: tl.constexpr, one_factor: tl.constexpr,
    one_threshold: tl.constexpr, keep: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = i < size
    wide = 0 * i + size  # a sequence may have more values than 32 bits count
    d = tl.load(dendrite + i, mask=inside, other=0.0)
    v = tl.load(start + i, mask=inside, other=0.0)
    p1 = _constant(a1, i, inside, one_factor)
    q1 = _constant(b1, i, inside, one_factor)
    p2 = _constant(a2, i, inside, one_factor)
    q2 = _constant(b2, i, inside, one_factor)
    limit = _constant(threshold, i, inside, one_threshold)
    for t in tl.range(steps, loop_unroll_factor=4):
        x = tl.load(xs + t * (0 * i + stride) + i, mask=inside, other=0.0).to(v.dtype)
        d = p1 * d + q1 * v + x
        m = p2 * v + q2 * d
        fired = m >= limit
        at = t * wide + i
        tl.store(spikes + at, fired.to(spikes.dtype.element_ty), mask=inside)
        if keep:
            tl.store(distances + at, (m - limit).to(distances.dtype.element_ty), mask=inside)
            tl.store(dendrites + at, d.to(dendrites.dtype.element_ty), mask=inside)
        if reset == 0:
            v = tl.where(fired, m - limit, m)
        elif reset == 1:
            v = tl.where(fired, 0.0, m)
        else:
            v = m
    tl.store(dendrite_end + i, d, mask=inside)
    tl.store(end + i, v, mask=inside)


@triton.jit
def hierarchical_backward(
    distances, dendrites, size, dendrite, start, a1, b1, a2, b2, threshold, gspikes, gdendrite_end, gend, gx,
    gdendrite, gstart, ga1, gb1, ga2, gb2, parameter,
    steps: tl.constexpr, reset: tl.constexpr, detached: tl.constexpr, code: tl.constexpr, block: tl.constexpr,
    one_factor: tl.constexpr, one_threshold: tl.constexpr, has_spikes: tl.constexpr, has_dendrite: tl.constexpr,
    has_end: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = i < size
    wide = 0 * i + size  # a sequence may have more values than 32 bits count
    first_d = tl.load(dendrite + i, mask=inside, other=0.0)
    first = tl.load(start + i, mask=inside, other=0.0)
    p1 = _constant(a1, i, inside, one_factor)
    q1 = _constant(b1, i, inside, one_factor)
    p2 = _constant(a2, i, inside, one_factor)
    q2 = _constant(b2, i, inside, one_factor)
    limit = _constant(threshold, i, inside, one_threshold)
    zero = first * 0
    gv, gd = zero, zero
    if has_end:
        gv = tl.load(gend + i, mask=inside, other=0.0)
    if has_dendrite:
        gd = tl.load(gdendrite_end + i, mask=inside, other=0.0)
    of_a1, of_b1, of_a2, of_b2 = zero, zero, zero, zero
    last = (steps - 1) * wide + i
    u = tl.load(distances + last, mask=inside, other=0.0).to(zero.dtype)
    d = tl.load(dendrites + last, mask=inside, other=0.0).to(zero.dtype)
    for back in tl.range(steps, loop_unroll_factor=4):
        t = steps - 1 - back
        at = t * wide + i
        m = u + limit
        fired = u >= 0
        g = zero
        if has_spikes:
            g = tl.load(gspikes + at, mask=inside, other=0.0).to(zero.dtype)
        if reset == 0:
            if not detached:
                g -= gv * limit
        elif reset == 1:
            if not detached:
                g -= gv * m
            gv = tl.where(fired, 0.0, gv)
        gv += g * _derivative(code, parameter, u, limit)
        gd += q2 * gv
        tl.store(gx + at, gd.to(gx.dtype.element_ty), mask=inside)
        of_b2 += gv * d
        u = tl.load(distances + at - size, mask=inside & (t > 0), other=0.0).to(zero.dtype)
        d = tl.load(dendrites + at - size, mask=inside & (t > 0), other=0.0).to(zero.dtype)
        m = u + limit
        if reset == 0:
            before = tl.where(u >= 0, u, m)
        elif reset == 1:
            before = tl.where(u >= 0, 0.0, m)
        else:
            before = m
        before = tl.where(t > 0, before, first)
        of_a1 += gd * tl.where(t > 0, d, first_d)
        of_b1 += gd * before
        of_a2 += gv * before
        gv = p2 * gv + q1 * gd
        gd = gd * p1
    tl.store(gstart + i, gv, mask=inside)
    tl.store(gdendrite + i, gd, mask=inside)
    _keep(ga1, i, of_a1, inside, one_factor)
    _keep(gb1, i, of_b1, inside, one_factor)
    _keep(ga2, i, of_a2, inside, one_factor)
    _keep(gb2, i, of_b2, inside, one_factor)

"""run_layer(): currents of one layer from lists of active channels, and its neurons, in one compiled pass.

For a block of output channels of one place all time steps are done in a row: the weights that one step has brought
into the cache serve the next, and currents and potentials never leave it. A place is an output pixel, or, where a pixel
has few channels, several neighbours in a row, whose channels together fill the registers.
"""

from __future__ import annotations

import numpy as np
from numba import carray  # pyright: ignore[reportPrivateImportUsage]

from ..core.compiled import compiled
from . import vector
from .neuron_kernels import CURRENTS, REHEARSAL, REHEARSED, REPLAYED, SCRATCH, advance, prepare, restart
from .vector import pointer

KIND, COUNTS, CHANNELS, VALUES, CAPACITY, WEIGHTS = range(6)
HEIGHT, WIDTH, KERNEL_Y, KERNEL_X, STRIDE_Y, STRIDE_X, PAD_Y, PAD_X, DILATION_Y, DILATION_X = range(6, 16)
GROUP_IN, GROUP_OUT, INPUTS, STORED, SCALES = range(16, 21)
FIELDS = 21
"""What a row of `sources` holds: addresses, and the geometry of one convolution."""

GATHER, SCATTER, STRAIGHT = 0, 1, 2
"""Kinds of source: a convolution over all channels; one whose groups have few channels each; each channel to itself."""

FLOAT, HALF, BYTE = 0, 1, 2
"""Kinds of number in which the weights of a convolution are kept: of 32, 16 and 8 bits, the last with scales."""

_NEAR = 256 * 1024  # bytes of weights that a core's second cache is sure to keep

_MOST = 256  # rows of 8 bits whose sum fits 16


@compiled
def _reach(source, y0, x0, places, firsts):  # pragma: no cover - compiled
    """Input pixels that an output pixel sees, and the first weight row of each; how many there are."""
    height, width = source[HEIGHT], source[WIDTH]
    found = 0
    for ky in range(source[KERNEL_Y]):
        y = y0 + ky * source[DILATION_Y]
        if 0 <= y < height:
            for kx in range(source[KERNEL_X]):
                x = x0 + kx * source[DILATION_X]
                if 0 <= x < width:
                    places[found] = y * width + x
                    firsts[found] = (ky * source[KERNEL_X] + kx) * source[INPUTS]
                    found += 1
    return found


@compiled
def _gather(width, weights, rows, values, weighted, count, far, acc):  # pragma: no cover - compiled
    if weighted:
        if width == 64:
            vector.weighted64(weights, rows, values, count, far, acc)
        else:
            vector.weighted16(weights, rows, values, count, far, acc)
    elif width == 64:
        vector.gather64(weights, rows, values, count, far, acc)
    else:
        vector.gather16(weights, rows, values, count, far, acc)


@compiled
def _gather_halves(width, weights, rows, values, weighted, count, far, acc):  # pragma: no cover - compiled
    if weighted:
        if width == 64:
            vector.half_weighted64(weights, rows, values, count, far, acc)
        else:
            vector.half_weighted16(weights, rows, values, count, far, acc)
    elif width == 64:
        vector.half_gather64(weights, rows, values, count, far, acc)
    else:
        vector.half_gather16(weights, rows, values, count, far, acc)


@compiled
def _gather_bytes(width, weights, rows, values, weighted, count, far, acc):  # pragma: no cover - compiled
    if weighted:
        if width == 64:
            vector.byte_weighted64(weights, rows, values, count, far, acc)
        else:
            vector.byte_weighted16(weights, rows, values, count, far, acc)
        return
    for i in range(0, count, _MOST):
        few = min(count - i, _MOST)
        if width == 64:
            vector.byte_gather64(weights, rows + 4 * i, few, far, acc)
        else:
            vector.byte_gather16(weights, rows + 4 * i, few, far, acc)


@compiled
def _scatter(source, start, step, places, firsts, reached, acc):  # pragma: no cover - compiled
    """Add the spikes that reach an output pixel to the sums of their own groups."""
    capacity, group_in, group_out = source[CAPACITY], source[GROUP_IN], source[GROUP_OUT]
    weights = carray(pointer(source[WEIGHTS]), (1,), np.float32)
    counts = carray(pointer(source[COUNTS]), (1,), np.int32)
    channels = carray(pointer(source[CHANNELS]), (1,), np.uint16)
    worth = carray(pointer(source[VALUES]), (1,), np.float32)
    weighted = source[VALUES] != 0
    for j in range(reached):
        place, first = (start + places[j]) * step[1] + step[0], np.int64(firsts[j])
        for i in range(place * capacity, place * capacity + counts[place]):
            channel = np.int64(channels[i])
            value = worth[i] if weighted else np.float32(1)
            to, row = channel // group_in * group_out, (first + channel) * group_out
            for k in range(group_out):
                acc[to + k] += value * weights[row + k]


@compiled
def _straight(source, start, step, places, firsts, reached, c, acc):  # pragma: no cover - compiled
    """Add spikes that drive their own channel to the sums of a block that begins at channel c."""
    capacity = source[CAPACITY]
    weights = carray(pointer(source[WEIGHTS]), (1,), np.float32)
    counts = carray(pointer(source[COUNTS]), (1,), np.int32)
    channels = carray(pointer(source[CHANNELS]), (1,), np.uint16)
    worth = carray(pointer(source[VALUES]), (1,), np.float32)
    weighted = source[VALUES] != 0
    for j in range(reached):
        place, shift = (start + places[j]) * step[1] + step[0], np.int64(firsts[j]) - c
        for i in range(place * capacity, place * capacity + counts[place]):
            channel = np.int64(channels[i])
            to = shift + channel
            if 0 <= to < len(acc):
                acc[to] += worth[i] * weights[channel] if weighted else weights[channel]


@compiled
def run_layer(  # pragma: no cover - compiled
    sources,
    kind,
    block,
    width,
    bias,
    base,
    constants,
    numbers,
    steps,
    code,
    levels,
    others,
    state,
    carried,
    currents,
    counts,
    channels,
    values,
    outputs,
    own,
    output_width,
    first,
    last,
):
    """Run a layer for all time steps and a range of its output rows.

    Args:
        sources: [S, FIELDS], addresses and geometry of the event sources.
        kind: what the neurons do.
        block: output channels that are done together, a multiple of `width`; all of them where a source scatters.
        width: sums held in registers, one of `vector.WIDTHS`.
        bias: [C'], C' the channels of a place rounded up to whole blocks.
        base: currents that are there already, [1 or T, N, P, C], P places of C channels; empty for none.
        constants: [1 or P, C' / block, K, block], the neurons' constants.
        numbers: [M], constants that all neurons share.
        steps: t of every step, [T].
        code, levels, others: the firing function, see `encoded`.
        state: [S, N, P, C'], what neurons keep, to begin with and to end with if `carried`.
        currents: [T, N, P, C] for what reaches the layer; empty unless kind is CURRENTS.
        counts, channels, values: [N, pixels, T], [N, pixels, T, capacity] twice, for the spikes; values empty for
            unit spikes.
        outputs: C, channels of a place.
        own: channels of a pixel, C or a multiple of 16 that divides it.
        output_width: places in an output row.
        first, last: output rows of all samples, from 0 to N * output height.
    """
    timesteps = counts.shape[2]
    joined = outputs // own  # pixels of a place
    output_height = counts.shape[1] // (output_width * joined)
    longest, taps = np.int64(1), np.int64(1)
    for s in range(len(sources)):
        taps = max(taps, sources[s, KERNEL_Y] * sources[s, KERNEL_X])
        longest = max(longest, sources[s, KERNEL_Y] * sources[s, KERNEL_X] * sources[s, CAPACITY])
    row_store, value_store = np.zeros(longest + vector.AHEAD + 16, np.int32), np.empty(longest + 16, np.float32)
    rows, worths = row_store.ctypes.data, value_store.ctypes.data
    places, firsts = np.empty((len(sources), taps), np.int64), np.empty((len(sources), taps), np.int32)
    reached = np.empty(len(sources), np.int64)
    seen = np.empty((timesteps, block), np.float32)
    v, scratch = np.empty((len(state), block), np.float32), np.empty((SCRATCH, block), np.float32)
    whole = np.empty(block, np.float32)
    potentials, totals, size = v.ctypes.data, whole.ctypes.data, np.int64(4) * width
    with_base = base.size > 0
    for b in range(len(bias) // block):
        c = b * block
        wide = min(block, outputs - c)
        for row in range(first, last):
            n, oy = row // output_height, row % output_height
            for ox in range(output_width):
                q = oy * output_width + ox
                own_constants = constants[min(q, len(constants) - 1), b]
                borders = own_constants.ctypes.data
                for s in range(len(sources)):
                    source = sources[s]
                    y0, x0 = oy * source[STRIDE_Y] - source[PAD_Y], ox * source[STRIDE_X] - source[PAD_X]
                    reached[s] = _reach(source, y0, x0, places[s], firsts[s])
                if carried:
                    for k in range(block):
                        for part in range(len(state)):
                            v[part, k] = state[part, n, q, c + k]
                elif kind != CURRENTS:
                    for k in range(block):
                        v[0, k] = own_constants[1, k]
                    v[1:] = np.float32(0)
                for t in range(timesteps):
                    for k in range(block):
                        seen[t, k] = bias[c + k]
                    if with_base:
                        for k in range(wide):
                            seen[t, k] += base[min(t, base.shape[0] - 1), n, q, c + k]
                    sums = seen.ctypes.data + t * block * 4
                    for s in range(len(sources)):
                        start = n * sources[s, HEIGHT] * sources[s, WIDTH]
                        if sources[s, KIND] == SCATTER:
                            _scatter(sources[s], start, (t, timesteps), places[s], firsts[s], reached[s], seen[t])
                            continue
                        if sources[s, KIND] == STRAIGHT:
                            _straight(sources[s], start, (t, timesteps), places[s], firsts[s], reached[s], c, seen[t])
                            continue
                        lengths = carray(pointer(sources[s, COUNTS]), (1,), np.int32)
                        lists, list_values, list_size = (
                            sources[s, CHANNELS],
                            sources[s, VALUES],
                            sources[s, CAPACITY],
                        )
                        count = np.int64(0)
                        for j in range(reached[s]):
                            place = (start + places[s, j]) * timesteps + t
                            active = np.int64(lengths[place])
                            begin = place * list_size
                            vector.spread(rows + 4 * count, lists + 2 * begin, firsts[s, j])
                            if list_values != 0:
                                vector.copy(worths + 4 * count, list_values + 4 * begin)
                            if active > 16:
                                for i in range(16, active, 16):
                                    vector.spread(rows + 4 * (count + i), lists + 2 * (begin + i), firsts[s, j])
                                    if list_values != 0:
                                        vector.copy(worths + 4 * (count + i), list_values + 4 * (begin + i))
                            count += active
                        if count > 0:
                            stored, weighted = sources[s, STORED], list_values != 0
                            bits = 4 if stored == FLOAT else 2 if stored == HALF else 1
                            slab = sources[s, KERNEL_Y] * sources[s, KERNEL_X] * sources[s, INPUTS] * bits * width
                            weights = sources[s, WEIGHTS] + c // width * slab
                            far = np.int64(slab > _NEAR)
                            if stored == BYTE:
                                whole[:] = np.float32(0)
                            for k in range(block // width):
                                at = weights + k * slab
                                if stored == FLOAT:
                                    _gather(width, at, rows, worths, weighted, count, far, sums + k * size)
                                elif stored == HALF:
                                    _gather_halves(width, at, rows, worths, weighted, count, far, sums + k * size)
                                else:
                                    _gather_bytes(width, at, rows, worths, weighted, count, far, totals + k * size)
                            if stored == BYTE:
                                scales = carray(pointer(sources[s, SCALES] + 4 * c), (block,), np.float32)
                                for k in range(block):
                                    seen[t, k] += whole[k] * scales[k]
                    if kind == CURRENTS:
                        for k in range(wide):
                            currents[t, n, q, c + k] = seen[t, k]
                if kind > REPLAYED:
                    advance(
                        kind,
                        seen.ctypes.data,
                        timesteps,
                        potentials,
                        borders,
                        block,
                        numbers,
                        steps,
                        code,
                        levels,
                        others,
                        scratch.ctypes.data,
                    )
                elif kind >= REHEARSED:
                    prepare(kind, seen.ctypes.data, potentials, borders, block, numbers, steps, scratch.ctypes.data)
                for t in range(timesteps if kind != CURRENTS else 0):
                    spikes = seen.ctypes.data + t * block * 4
                    for k in range(0, block, 16):
                        if kind > REPLAYED:
                            bits = vector.sent(spikes + 4 * k)
                        else:
                            bits = vector.integrate(potentials + 4 * k, spikes + 4 * k, borders + 4 * k)
                            if kind == REHEARSED:
                                bits &= vector.sent(potentials + 4 * (block + k))
                        if bits:
                            part = (c + k) // own if joined > 1 else 0
                            p, channel = q * joined + part, c + k - part * own
                            found = np.int64(counts[n, p, t])
                            while bits:
                                j = vector.lowest(bits)
                                if k + j < wide:  # the channels beyond are padding
                                    channels[n, p, t, found] = channel + j
                                    if values.size:
                                        values[n, p, t, found] = seen[t, k + j]
                                    found += 1
                                bits &= bits - np.uint64(1)
                            counts[n, p, t] = found
                    if kind == REHEARSED and steps[t] == numbers[REHEARSAL]:
                        restart(potentials, borders, block, numbers)
                if carried:
                    for k in range(block):
                        for part in range(len(state)):
                            state[part, n, q, c + k] = v[part, k]
    # the compiler lets go of an array after its last use, and does not see the uses through its address
    row_store[0], value_store[0], seen[0, 0], v[0, 0], scratch[0, 0], whole[0] = 0, 0, 0, 0, 0, 0

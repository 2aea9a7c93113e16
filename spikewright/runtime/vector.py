"""Vector instructions for compiled loops: sums of many rows held in registers, spikes found without branches.

numba compiles ordinary loops well, but it can neither keep a block of sums in registers over a loop of unknown length
nor turn eight comparisons into eight bits. Here these few steps are written as LLVM vectors, which every processor has
in some form. Addresses are plain whole numbers; whoever calls answers for their bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic
"""Any, as a call from a compiled loop leaves the typing context out."""
LANES = 8
WIDTHS = (64, 16)
"""How many sums `gather` can hold in registers."""

_F32, _F16 = ir.FloatType(), ir.HalfType()
_I8, _I16, _I32, _I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_LANE = ir.VectorType(_F32, LANES)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _pointer(builder: Any, address: Any, kind: ir.Type) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: Any, pointer: Any, index: Any, align: int) -> Any:
    value = builder.load(builder.gep(pointer, [index]))
    value.align = align
    return value


def _store(builder: Any, value: Any, pointer: Any, index: Any, align: int) -> None:
    builder.store(value, builder.gep(pointer, [index])).align = align


def _same(builder: Any, scalar: Any, lanes: int) -> Any:
    kind = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(_I32, 0))
    places = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), places)


_STORED = {"f32": _F32, "f16": _F16, "i8": _I8}
"""Kinds of number in which weights are kept."""


_BYTES = {"f32": 4, "f16": 2, "i8": 1}
AHEAD = 16
"""Rows are asked for so many additions before they are needed; lists of rows are read so far beyond their end."""
_LINE = 64


def _fetch_ahead(builder: Any, far: Any, weights: Any, rows: Any, i: Any, width: int, size: int) -> None:
    """Ask for the row of a later addition, a cache line at a time: rows lie anywhere, which no processor can guess."""
    with builder.if_then(builder.icmp_signed("!=", far, _number(0))):
        _fetch(builder, weights, rows, i, width, size)


def _fetch(builder: Any, weights: Any, rows: Any, i: Any, width: int, size: int) -> None:
    byte = _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    row = builder.zext(builder.load(builder.gep(rows, [builder.add(i, _number(AHEAD))])), _I64)
    begin = builder.bitcast(builder.gep(weights, [builder.mul(row, _number(width))]), byte)
    for line in range(0, size, _LINE):
        where = builder.gep(begin, [_number(line)])
        builder.call(fetch, (where, ir.Constant(_I32, 0), ir.Constant(_I32, 3), ir.Constant(_I32, 1)))


def _in_chains(builder: Any, count: Any, chains: int, add: Callable[[Any, int], None]) -> None:
    """add(i, chain) for i below count: one chain of additions would wait for each sum before it takes the next."""
    rounds = builder.udiv(count, _number(chains))
    with cgutils.for_range(builder, rounds) as loop:
        begin = builder.mul(loop.index, _number(chains))
        for chain in range(chains):
            add(builder.add(begin, _number(chain)), chain)
    if chains > 1:
        done = builder.mul(rounds, _number(chains))
        with cgutils.for_range_slice(builder, done, count, _number(1), _I64) as (i, _):
            add(i, 0)


def _widened(builder: Any, weight: Any, kind: str) -> Any:
    """Eight weights as they are kept -> as numbers of 32 bits."""
    if kind == "f32":
        return weight
    if kind == "f16":
        return builder.fpext(weight, _LANE)
    return builder.sitofp(builder.sext(weight, ir.VectorType(_I32, LANES)), _LANE)


def _gather(width: int, weighted: bool, kind: str) -> Any:
    """acc[0:width] += sum over i of (value_i times) weights[rows_i, 0:width], all sums in registers.

    `far` tells whether rows are asked for ahead, which pays where the weights do not stay in the core's caches.
    """
    stored = ir.VectorType(_STORED[kind], LANES)
    align = _BYTES[kind]
    lanes, chains = width // LANES, {64: 1, 16: 4}[width]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weights, rows, values, count, far, acc = args
        three = ir.FunctionType(_LANE, [_LANE] * 3)
        fused = cgutils.get_or_insert_function(builder.module, three, f"llvm.fma.v{LANES}f32")
        weights, rows = _pointer(builder, weights, _STORED[kind]), _pointer(builder, rows, _I32)
        values, acc = _pointer(builder, values, _F32), _pointer(builder, acc, _LANE)
        sums = [[cgutils.alloca_once(builder, _LANE) for _ in range(lanes)] for _ in range(chains)]
        for chain in range(chains):
            for k in range(lanes):
                first = _load(builder, acc, _number(k), 4) if chain == 0 else ir.Constant(_LANE, [0.0] * LANES)
                builder.store(first, sums[chain][k])

        def add(i: Any, chain: int) -> None:
            _fetch_ahead(builder, far, weights, rows, i, width, width * _BYTES[kind])
            row = builder.zext(builder.load(builder.gep(rows, [i])), _I64)
            begin = builder.gep(weights, [builder.mul(row, _number(width))])
            begin = builder.bitcast(begin, stored.as_pointer())
            value = _same(builder, builder.load(builder.gep(values, [i])), LANES) if weighted else None
            for k in range(lanes):
                weight = _widened(builder, _load(builder, begin, _number(k), align), kind)
                so_far = builder.load(sums[chain][k])
                if value is None:
                    builder.store(builder.fadd(so_far, weight), sums[chain][k])
                else:
                    builder.store(builder.call(fused, (value, weight, so_far)), sums[chain][k])

        _in_chains(builder, count, chains, add)
        for k in range(lanes):
            total = builder.load(sums[0][k])
            for chain in range(1, chains):
                total = builder.fadd(total, builder.load(sums[chain][k]))
            _store(builder, total, acc, _number(k), 4)
        return context.get_dummy_value()

    def gather(typingctx, weights, rows, values, count, far, acc):
        return types.void(types.uintp, types.uintp, types.uintp, types.intp, types.intp, types.uintp), codegen

    return intrinsic(gather)


def _count_up(width: int) -> Any:
    """acc[0:width] += sum over i of weights[rows_i, 0:width], of 8 bits and added up in 16: for at most 256 rows."""
    lanes, chains = width // 16, {64: 1, 16: 4}[width]
    wide, narrow = ir.VectorType(_I16, 16), ir.VectorType(_I8, 16)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weights, rows, count, far, acc = args
        weights, rows, acc = (_pointer(builder, *given) for given in ((weights, _I8), (rows, _I32), (acc, _LANE)))
        sums = [[cgutils.alloca_once(builder, wide) for _ in range(lanes)] for _ in range(chains)]
        for total in (total for chain in sums for total in chain):
            builder.store(ir.Constant(wide, [0] * 16), total)

        def add(i: Any, chain: int) -> None:
            _fetch_ahead(builder, far, weights, rows, i, width, width)
            row = builder.zext(builder.load(builder.gep(rows, [i])), _I64)
            begin = builder.bitcast(builder.gep(weights, [builder.mul(row, _number(width))]), narrow.as_pointer())
            for k in range(lanes):
                weight = builder.sext(_load(builder, begin, _number(k), 1), wide)
                builder.store(builder.add(builder.load(sums[chain][k]), weight), sums[chain][k])

        _in_chains(builder, count, chains, add)
        for k in range(lanes):
            total = builder.load(sums[0][k])
            for chain in range(1, chains):
                total = builder.add(total, builder.load(sums[chain][k]))
            for half in range(2):
                places = ir.Constant(ir.VectorType(_I32, LANES), [LANES * half + i for i in range(LANES)])
                eight = builder.shuffle_vector(total, ir.Constant(wide, ir.Undefined), places)
                found = builder.sitofp(builder.sext(eight, ir.VectorType(_I32, LANES)), _LANE)
                place = _number(2 * k + half)
                _store(builder, builder.fadd(_load(builder, acc, place, 4), found), acc, place, 4)
        return context.get_dummy_value()

    def count_up(typingctx, weights, rows, count, far, acc):
        return types.void(types.uintp, types.uintp, types.intp, types.intp, types.uintp), codegen

    return intrinsic(count_up)


gather64, gather16 = (_gather(width, False, "f32") for width in WIDTHS)
weighted64, weighted16 = (_gather(width, True, "f32") for width in WIDTHS)
half_gather64, half_gather16 = (_gather(width, False, "f16") for width in WIDTHS)
half_weighted64, half_weighted16 = (_gather(width, True, "f16") for width in WIDTHS)
byte_gather64, byte_gather16 = (_count_up(width) for width in WIDTHS)
byte_weighted64, byte_weighted16 = (_gather(width, True, "i8") for width in WIDTHS)


@intrinsic
def spread(typingctx, to, channels, first):  # pyright: ignore[reportUnusedParameter]
    """to[0:16] = first + channels[0:16], whole numbers of 16 bits made to 32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.VectorType(_I32, 16)
        found = _load(builder, _pointer(builder, args[1], ir.VectorType(_I16, 16)), _number(0), 2)
        total = builder.add(builder.zext(found, wide), _same(builder, args[2], 16))
        _store(builder, total, _pointer(builder, args[0], wide), _number(0), 4)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.int32), codegen


@intrinsic
def copy(typingctx, to, values):  # pyright: ignore[reportUnusedParameter]
    """to[0:16] = values[0:16], numbers of 32 bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(_F32, 16)
        found = _load(builder, _pointer(builder, args[1], kind), _number(0), 4)
        _store(builder, found, _pointer(builder, args[0], kind), _number(0), 4)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), codegen


@intrinsic
def integrate(typingctx, v, current, v_threshold):  # pyright: ignore[reportUnusedParameter]
    """v += current, fire at v >= v_threshold, take the threshold off; 16 neurons -> a bit for each that fired."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v, current, v_threshold = (_pointer(builder, address, _LANE) for address in args)
        bits = _number(0)
        for k in range(2):
            charged = builder.fadd(_load(builder, v, _number(k), 4), _load(builder, current, _number(k), 4))
            border = _load(builder, v_threshold, _number(k), 4)
            fires = builder.fcmp_ordered(">=", charged, border)
            taken = builder.select(fires, border, ir.Constant(_LANE, [0.0] * LANES))
            _store(builder, builder.fsub(charged, taken), v, _number(k), 4)
            eight = builder.zext(builder.bitcast(fires, _I8), _I64)
            bits = builder.or_(bits, builder.shl(eight, _number(LANES * k)))
        return bits

    return types.uint64(types.uintp, types.uintp, types.uintp), codegen


@intrinsic
def replay(typingctx, v, currents, stride, timesteps, v_threshold, found, apart):  # pyright: ignore[reportUnusedParameter]
    """Run 8 neurons over time as `integrate` does, all in registers, and keep what decides a shift of their start.

    Args:
        v: address of the potentials; they are those after the last step then.
        currents: address of the currents of the first step; those of the next one are `stride` bytes behind.
        timesteps: number of steps.
        v_threshold: address of the thresholds.
        found: where the numbers of spikes go; `apart` bytes behind them the lowest potentials after a step with a
            spike (infinite without one), and behind these the highest after a step without one.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v, currents, stride, timesteps, border, found, apart = args
        place = _number(0)
        v, border = _pointer(builder, v, _LANE), _load(builder, _pointer(builder, border, _LANE), place, 4)
        none, one, infinite = ([value] * LANES for value in (0.0, 1.0, float("inf")))
        begun = (_load(builder, v, place, 4), none, infinite, [-value for value in infinite])
        kept = [cgutils.alloca_once(builder, _LANE) for _ in begun]
        for where, value in zip(kept, begun):
            builder.store(ir.Constant(_LANE, value) if isinstance(value, list) else value, where)
        with cgutils.for_range(builder, timesteps) as loop:
            here = builder.add(currents, builder.mul(loop.index, stride))
            current = _load(builder, _pointer(builder, here, _LANE), place, 4)
            potential, spikes, lowest, highest = (builder.load(where) for where in kept)
            charged = builder.fadd(potential, current)
            fires = builder.fcmp_ordered(">=", charged, border)
            left = builder.fsub(charged, builder.select(fires, border, ir.Constant(_LANE, none)))
            more = builder.fadd(spikes, builder.select(fires, ir.Constant(_LANE, one), ir.Constant(_LANE, none)))
            lower = builder.and_(fires, builder.fcmp_ordered("<", left, lowest))
            higher = builder.and_(builder.not_(fires), builder.fcmp_ordered(">", left, highest))
            lowest, highest = builder.select(lower, left, lowest), builder.select(higher, left, highest)
            for where, value in zip(kept, (left, more, lowest, highest)):
                builder.store(value, where)
        places = [found, builder.add(found, apart), builder.add(found, builder.add(apart, apart))]
        for where, to in zip(kept, (v, *(_pointer(builder, address, _LANE) for address in places))):
            _store(builder, builder.load(where), to, place, 4)
        return context.get_dummy_value()

    kinds = (types.uintp, types.uintp, types.intp, types.intp, types.uintp, types.uintp, types.intp)
    return types.void(*kinds), codegen


@intrinsic
def sent(typingctx, spikes):  # pyright: ignore[reportUnusedParameter]
    """A bit for each of 16 numbers that is not zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        spikes, bits = _pointer(builder, args[0], _LANE), _number(0)
        for k in range(2):
            given = _load(builder, spikes, _number(k), 4)
            found = builder.fcmp_unordered("!=", given, ir.Constant(_LANE, [0.0] * LANES))
            eight = builder.zext(builder.bitcast(found, _I8), _I64)
            bits = builder.or_(bits, builder.shl(eight, _number(LANES * k)))
        return bits

    return types.uint64(types.uintp), codegen


@intrinsic
def lowest(typingctx, bits):  # pyright: ignore[reportUnusedParameter]
    """Place of the lowest bit that is set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def pointer(typingctx, address):  # pyright: ignore[reportUnusedParameter]
    """An address as a pointer, for numba.carray."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], _I8.as_pointer())

    return types.voidptr(types.uintp), codegen

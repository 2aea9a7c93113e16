"""least_error_threshold(): the threshold with the least squared error over T steps, found with certainty."""

from __future__ import annotations

import numpy as np

from ...core.compiled import compiled

RELATIVE, ABSOLUTE = 1e-3, 1e-7
"""How much better another threshold may be at most: of the least error, or of the sum of all squares."""
FIRST = 2.0**0.25
"""Ratio of neighbours in the grid that the search begins with."""


_SHIFT = 13  # bits of float32 that a bin of the index leaves out: it holds a thousandth of its value, as a histogram's


@compiled
def indexed(values: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    """How many values lie in lower bins, for each bin from the first value's to the last one's and one beyond.

    A bin is what float32 values share without the last bits of their fraction. Where values come from a histogram it
    holds one of them, so that a border's place among thousands is found at once.

    Args:
        values: above 0, rising, float64 [n].
    """
    lowest = _bin(values[0])
    starts = np.empty(_bin(values[-1]) - lowest + 2, np.int32)
    filled = 0
    for place in range(len(values)):
        number = _bin(values[place]) - lowest
        while filled <= number:
            starts[filled] = place
            filled += 1
    starts[filled:] = len(values)
    return starts


@compiled
def place_of(border: float, values: np.ndarray, starts: np.ndarray) -> int:  # pragma: no cover - compiled
    """How many values lie below a border above 0; `starts`: see `indexed`."""
    number = _bin(border) - _bin(values[0])
    place = np.int64(starts[min(max(number, 0), len(starts) - 1)])
    while place > 0 and values[place - 1] >= border:  # rounding to float32 may have crossed the edge of a bin
        place -= 1
    while place < len(values) and values[place] < border:
        place += 1
    return place  # pyright: ignore[reportReturnType]


@compiled
def _bin(value: float) -> int:  # pragma: no cover - compiled
    return np.int64(np.float32(value).view(np.int32) >> _SHIFT)  # pyright: ignore[reportReturnType]


@compiled
def step_error(
    threshold: float, values: np.ndarray, starts: np.ndarray, above: np.ndarray, timesteps: int
) -> tuple[float, float, float]:  # pragma: no cover - compiled
    """Squared error of what an IF neuron delivers, over given activations.

    With the start at half the threshold, a constant input a becomes on average over T steps

        q(a) = threshold * k / T,    k = clip(floor(T a / threshold + 1/2), 0, T)

    so k is at least m from a = threshold (m - 1/2) / T on, and all sums over the activations are sums over those above
    T such borders. Where no activation crosses a border the error is a parabola in the threshold,

        sum (a - q)^2 = sum a^2 - 2 threshold B / T + threshold^2 C / T^2,    B = sum a k,    C = sum k^2

    Args:
        threshold: above 0.
        values: activations above 0, rising, float64 [n].
        starts: where to look for a border among them, see `indexed`.
        above: number, sum and sum of squares of the activations from each place on, float64 [3, n + 1].
        timesteps: T.

    Returns:
        The error, B and C.
    """
    b = c = 0.0
    for m in range(timesteps):
        place = place_of(threshold * (m + 0.5) / timesteps, values, starts)
        if place == len(values):
            break
        b += above[1, place]
        c += (2 * m + 1) * above[0, place]
    step = threshold / timesteps
    return max(above[2, 0] - 2 * step * b + step * step * c, 0.0), b, c


@compiled
def least_error_threshold(
    values: np.ndarray, counts: np.ndarray, timesteps: int
) -> float:  # pragma: no cover - compiled
    """The threshold, at most the largest activation, with the least squared error; see `step_error`.

    Branch and bound. The neuron delivers the level nearest to an activation, so with other levels it would not be
    nearer: for the root r of the error and any two thresholds, r(v) >= r(u) - |v - u| sqrt(C(v)) / T. As C falls with
    the threshold, r is bounded from below between any two thresholds at which it is known. Clipping alone is another
    bound: sum (a - v)^2 over a > v. An interval that cannot hold a better threshold is left out, any other is halved.

    Args:
        values: activations above 0, rising, float64 [n], at least one.
        counts: how often each occurs, float64 [n].
        timesteps: T, at least 1.

    Returns:
        A threshold at the lowest point of its parabola. No other is better by more than RELATIVE of its error or
        ABSOLUTE of the sum of all squares.
    """
    n, top, bottom = len(values), values[-1], values[0]  # below all activations the error falls with the threshold
    above = np.zeros((3, n + 1))
    for place in range(n - 1, -1, -1):
        count, a = counts[place], values[place]
        above[0, place] = above[0, place + 1] + count
        above[1, place] = above[1, place + 1] + count * a
        above[2, place] = above[2, place + 1] + count * a * a
    square, starts = above[2, 0], indexed(values)
    best, least = top, np.inf

    size = 64 + int(np.ceil(np.log(top / bottom) / np.log(FIRST)))
    lows, highs = np.empty(size), np.empty(size)
    r_lows, r_highs, slopes = np.empty(size), np.empty(size), np.empty(size)
    waiting = 0
    low, high, r_high = top, top, np.inf
    while True:
        error, b, c = step_error(low, values, starts, above, timesteps)
        lowered, bound = _lowest_point(low, b, c, square, top, timesteps)
        if bound < least:
            best, least = lowered, bound
        if low < high:
            lows[waiting], highs[waiting], slopes[waiting] = low, high, np.sqrt(c) / timesteps
            r_lows[waiting], r_highs[waiting] = np.sqrt(error), r_high
            waiting += 1
        place = np.searchsorted(values, low, side="right")
        clipped = above[2, place] - 2 * low * above[1, place] + low * low * above[0, place]
        if low <= bottom or clipped >= least:
            break
        low, high, r_high = max(low / FIRST, bottom), low, np.sqrt(error)

    while waiting:
        waiting -= 1
        low, high, slope = lows[waiting], highs[waiting], slopes[waiting]
        r_low, r_high = r_lows[waiting], r_highs[waiting]
        r = max((r_low + r_high - (high - low) * slope) / 2, 0.0)
        middle = (low + high) / 2
        if r * r >= least - max(RELATIVE * least, ABSOLUTE * square) or not low < middle < high:
            continue
        error, b, c = step_error(middle, values, starts, above, timesteps)
        lowered, bound = _lowest_point(middle, b, c, square, top, timesteps)
        if bound < least:
            best, least = lowered, bound
        r_middle = np.sqrt(error)
        highs[waiting], r_highs[waiting] = middle, r_middle
        lows[waiting + 1], highs[waiting + 1], slopes[waiting + 1] = middle, high, np.sqrt(c) / timesteps
        r_lows[waiting + 1], r_highs[waiting + 1] = r_middle, r_high
        waiting += 2

    while True:  # a lower parabola may begin where an activation has crossed a border
        _, b, c = step_error(best, values, starts, above, timesteps)
        lowered, bound = _lowest_point(best, b, c, square, top, timesteps)
        if not bound < least - 1e-14 * square:
            return best
        best, least = lowered, bound


@compiled
def _lowest_point(
    threshold: float, b: float, c: float, square: float, top: float, timesteps: int
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Lowest point of the parabola at a threshold, at most `top`, and its height; the error there is at most that."""
    lowest = min(timesteps * b / c, top) if c > 0 else threshold
    step = lowest / timesteps
    return lowest, max(square - 2 * step * b + step * step * c, 0.0)

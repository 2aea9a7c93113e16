"""pareto_front(costs, gains): which choices no other choice beats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(costs: Sequence[float | None], gains: Sequence[float | None]) -> tuple[bool, ...]:
    """Say of each choice whether it is on the front: none costs at most as much and gains at least as much, but for
    one that equals it in both.

    Args:
        costs: what each choice costs, less is better; None or nan where it is not known.
        gains: what each gives, more is better; likewise. A choice with an unknown number is not on the front and
            beats none.

    Example:
        >>> pareto_front([1, 2, 2, 4], [0.5, 0.8, 0.7, 0.8])
        (True, True, False, False)
    """
    pairs = list(zip(costs, gains, strict=True))
    known = sorted(
        ((cost, gain) for cost, gain in pairs if cost is not None and gain is not None and _finite(cost, gain)),
        key=lambda pair: (pair[0], -pair[1]),
    )
    front, most = set(), -math.inf
    for cost, gain in known:
        if gain > most:
            front.add((cost, gain))
            most = gain
    return tuple(pair in front for pair in pairs)


def _finite(*values: float) -> bool:
    return all(map(math.isfinite, values))

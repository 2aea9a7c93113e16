"""The surrogate derivatives that the loops know: a number for each, and its parameters in order."""

from __future__ import annotations

from ..surrogate import ATan, Rectangle, Sigmoid, SoftSign, StraightThrough, SuperSpike, Surrogate, Triangle
from ..types import SpikeFn

ATAN, TRIANGLE, RECTANGLE, SUPER_SPIKE, SOFT_SIGN, STRAIGHT, SIGMOID, AS_WIDE_AS_THRESHOLD = range(8)

_CODES = {
    ATan: (ATAN, "alpha"),
    Triangle: (TRIANGLE, "gamma"),
    Rectangle: (RECTANGLE, "width"),
    SuperSpike: (SUPER_SPIKE, "beta"),
    SoftSign: (SOFT_SIGN, "alpha"),
    StraightThrough: (STRAIGHT, None),
    Sigmoid: (SIGMOID, "alpha"),
}


def code_of(spike: SpikeFn) -> tuple[int, float] | None:
    """Number and parameter of a spike function; None for one that the loops do not know.

    Example:
        >>> code_of(Triangle(gamma=0.5)), code_of(lambda u: u)
        ((1, 0.5), None)
    """
    if type(spike) not in _CODES or not isinstance(spike, Surrogate):
        return None
    code, name = _CODES[type(spike)]
    return code, 1.0 if name is None else float(getattr(spike, name))

"""fraction(text): a number as people write one, also as one over another."""

from __future__ import annotations


def fraction(text: str) -> float:
    """A number, or one over another.

    Raises:
        ValueError: for text that is neither, or a division by zero.

    Example:
        >>> fraction("0.5"), fraction("1/8")
        (0.5, 0.125)
    """
    above, slash, below = text.partition("/")
    if slash and not float(below):
        raise ValueError(f"{text} divides by zero")
    return float(above) / float(below) if slash else float(above)

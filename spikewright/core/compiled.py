"""compiled: a function as machine code, kept on disk between runs where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop over arrays when it is called first; it runs without Python's lock.

    A division by zero gives infinity or NaN, as in arrays; looking for it would keep the processor from dividing
    several numbers at once. What was compiled is read again by later processes. Where neither the folder of the file
    nor the user's cache can be written, as in a container, every process compiles for itself: the first call takes
    seconds longer, the results are the same.
    """
    loop = numba.njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # numba finds no folder that it can write to
        loop.enable_caching()
    return loop

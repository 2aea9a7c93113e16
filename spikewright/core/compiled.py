"""compiled: a function as machine code, kept on disk between runs where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop over arrays when it is called first; it runs without Python's lock.

    A division by zero gives infinity or NaN, as in arrays; looking for it would keep the processor from dividing
    several numbers at once. What was compiled is read again by later processes, until a file is changed that holds the
    loop or a loop that it calls. Where neither the folder of the file nor the user's cache can be written, as in a
    container, every process compiles for itself: the first call takes seconds longer, the results are the same.
    """
    loop = numba.njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # numba finds no folder that it can write to
        loop.enable_caching()
        # numba itself looks at the loop's own file only
        loop._cache._cache_file._source_stamp = tuple(  # pyright: ignore[reportAttributeAccessIssue]
            (path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(sources(function))
        )
    return loop


def sources(function: Callable[..., Any]) -> set[Path]:
    """The files of a loop and of the loops that it calls, however deep, those of this package."""
    code, names = function.__code__, function.__globals__
    found, package = {Path(code.co_filename)}, (__package__ or "").partition(".")[0]
    for name in code.co_names:
        called: Any = names.get(name)
        if hasattr(called, "py_func"):
            found |= sources(called.py_func)
            continue
        module = called.__name__ if isinstance(called, ModuleType) else getattr(called, "__module__", None) or ""
        if module.partition(".")[0] == package and callable(getattr(called, "_defn", None)):  # written as LLVM
            found.add(Path(called._defn.__code__.co_filename))
        elif isinstance(called, ModuleType) and module.partition(".")[0] == package and called.__file__:
            found.add(Path(called.__file__))
    return found

"""over_parts(run, ...): a compiled loop on parts of its work at the same time; threads_for(): how many it is worth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

import torch

WORTH_A_THREAD = 2e-3
"""Seconds of work below which a further thread is not woken: that takes a tenth of a millisecond on an idle machine and
some milliseconds on a busy one."""


def threads_for(seconds: float, allowed: int) -> int:
    """How many of the allowed threads a piece of work is worth, given how long it takes on one.

    Example:
        >>> threads_for(0.001, 8), threads_for(0.005, 8), threads_for(1.0, 8)
        (1, 2, 8)
    """
    return max(1, min(allowed, int(seconds / WORTH_A_THREAD)))


@contextmanager
def threads_restored() -> Iterator[int]:
    """Within the block torch's number of threads may be set; it is put back after it. Gives the number before."""
    allowed = torch.get_num_threads()
    try:
        yield allowed
    finally:
        torch.set_num_threads(allowed)


def over_parts(run: Callable[..., None], arguments: tuple, total: int) -> None:
    """Call `run(*arguments, first, last)` for consecutive parts of 0..total, one for each of torch's threads.

    The first part is run by the thread that calls, so that one less has to be woken.

    Example:
        >>> parts = []
        >>> over_parts(lambda found, first, last: found.append((first, last)), (parts,), 3)
        >>> sum(last - first for first, last in parts)
        3
    """
    threads = min(torch.get_num_threads(), total)
    if threads <= 1:
        run(*arguments, 0, total)
        return
    borders = [total * i // threads for i in range(threads + 1)]
    others = _pool(threads - 1).map(partial(run, *arguments), borders[1:-1], borders[2:])
    run(*arguments, *borders[:2])
    list(others)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="spikewright")


if hasattr(os, "register_at_fork"):  # a forked process has the pool, but none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)

"""over_parts(run, ...): a compiled loop that lets go of the interpreter, on parts of its work at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import torch


def over_parts(run: Callable[..., None], arguments: tuple, total: int) -> None:
    """Call `run(*arguments, first, last)` for consecutive parts of 0..total, one for each of torch's threads.

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
    list(_pool(threads).map(partial(run, *arguments), borders[:-1], borders[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="spikewright")


if hasattr(os, "register_at_fork"):  # a forked process has the pool, but none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)

"""ahead(batches): the next batches are made while the device works on the one before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from .loader import Batch


def ahead(batches: Iterable[Batch], depth: int = 2) -> Iterator[Batch]:
    """The same batches in the same order, made in a thread of their own; an error comes where its batch would.

    Args:
        batches: what to go through.
        depth: how many batches are made ahead, at least 1.

    Example:
        >>> list(ahead([1, 2, 3]))
        [1, 2, 3]
    """
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    given_up, end = threading.Event(), object()

    def hand(failed: bool, value: Any) -> None:
        while not given_up.is_set():
            try:
                waiting.put((failed, value), timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for batch in batches:
                hand(False, batch)
                if given_up.is_set():
                    return
            hand(False, end)
        except BaseException as error:  # it is raised again where the batch is asked for
            hand(True, error)

    threading.Thread(target=make, name="spikewright-batches", daemon=True).start()
    try:
        while True:
            failed, value = waiting.get()
            if failed:
                raise value
            if value is end:
                return
            yield value
    finally:
        given_up.set()

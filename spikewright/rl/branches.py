"""Branches: pieces of work that run side by side on a GPU, recorded as one CUDA graph once they have run twice."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from typing import Any

import torch

from ..core.warn import warn

_BEFORE = 2
"""Calls that are run as they are before one is recorded: they compile kernels, choose algorithms, make room."""
_KEPT = 8
"""Recordings that are kept; of another one that which was not used for longest is given up."""

Work = Mapping[int, Callable[[], Any]]


class Branches:
    """Work that is done again and again, on the same tensors in the same places.

    On a CUDA device each branch has a stream of its own. The first calls do the work piece by piece, and count like
    all others: nothing is done twice or put back. A later one records it, and from then on a call starts the recorded
    kernels of all branches at once. On the CPU the pieces are run one after the other.

    Work that is recorded must neither wait for the device nor decide on values, and what it changes must be tensors
    that stay where they are. What it returns is written anew by the next call with the same key.

    Args:
        number: of branches.
        device: where the work is done.
        why_not: a reason not to record anything, if there is one.
    """

    def __init__(self, number: int, device: torch.device, why_not: str = "") -> None:
        self.device, on_gpu = device, device.type == "cuda"
        self.why_not_recorded = why_not if on_gpu else f"there are no CUDA graphs on {device}"
        """Why work is not recorded; empty where it is."""
        with torch.cuda.device(device) if on_gpu else nullcontext():
            self._streams = [torch.cuda.Stream() for _ in range(number if on_gpu else 0)]
        self._calls: Counter[Hashable] = Counter()
        self._graphs: OrderedDict[Hashable, tuple[torch.cuda.CUDAGraph, dict[int, Any]]] = OrderedDict()

    @property
    def recordings(self) -> int:
        """How many graphs there are."""
        return len(self._graphs)

    def __call__(self, key: Hashable, work: Work) -> dict[int, Any]:
        """Do the work of some branches.

        Args:
            key: what tells this work from other work of the same branches.
            work: number of a branch -> what it does.

        Returns:
            Number of a branch -> what its work returned.
        """
        if self.device.type != "cuda":
            return {number: piece() for number, piece in work.items()}
        with torch.cuda.device(self.device):
            if key in self._graphs:
                return self._again(key)
            self._calls[key] += 1
            if self.why_not_recorded or self._calls[key] <= _BEFORE:
                return self._side_by_side(work)
            return self._again(key) if self._record(key, work) else self._side_by_side(work)

    def _again(self, key: Hashable) -> dict[int, Any]:
        self._graphs.move_to_end(key)
        graph, made = self._graphs[key]
        graph.replay()
        return made

    def _side_by_side(self, work: Work) -> dict[int, Any]:
        main, made = torch.cuda.current_stream(), {}
        for number, piece in work.items():
            self._streams[number].wait_stream(main)
            with torch.cuda.stream(self._streams[number]):
                made[number] = piece()
        for number in work:
            main.wait_stream(self._streams[number])
        return made

    def _record(self, key: Hashable, work: Work) -> bool:
        while len(self._graphs) >= _KEPT:
            torch.cuda.synchronize()
            self._graphs.popitem(last=False)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                made = self._side_by_side(work)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            torch.cuda.synchronize()
            self.why_not_recorded = _first(error)
            warn(
                f"Branches: the work cannot be recorded ({self.why_not_recorded}); its kernels are started one by one. "
                "A layer that asks for values of tensors is the usual cause."
            )
            return False
        self._graphs[key] = graph, made
        return True


def _first(error: BaseException) -> str:
    """What went wrong first: the end of a recording complains, too."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().split("\n")[0]

"""Captured: a call's kernels on a CUDA device, recorded once per shape of input and started again as one."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

_KEPT = 8
"""Shapes whose graphs are kept; of another one the graph that was not used for longest is given up."""


class _Graph(NamedTuple):
    graph: torch.cuda.CUDAGraph
    given: Tensor  # the input that the graph reads
    made: Tensor  # the output that it writes


class Captured:
    """A function of one tensor on a CUDA device as CUDA graphs.

    Args:
        run: the function; it must neither wait for the device nor decide on values.
        device: the device.
    """

    def __init__(self, run: Callable[..., Tensor], device: torch.device) -> None:
        self._run, self._device = run, device
        self._graphs: OrderedDict[tuple, _Graph] = OrderedDict()

    def __call__(self, xs: Tensor, *settings: int) -> Tensor:
        """The function's value; `settings` are handed to it, and are part of what a graph is recorded for."""
        key = (tuple(xs.shape), settings)
        if key not in self._graphs:
            while len(self._graphs) >= _KEPT:
                self._graphs.popitem(last=False)
            self._graphs[key] = self._recorded(xs, settings)
        self._graphs.move_to_end(key)
        graph, given, made = self._graphs[key]
        given.copy_(xs)
        graph.replay()
        return made.clone()  # the next call writes into it

    def _recorded(self, xs: Tensor, settings: tuple[int, ...]) -> _Graph:
        with torch.cuda.device(self._device):
            given, stream = xs.clone(), torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # compiles, chooses algorithms, makes room
                self._run(given, *settings)
                with _waiting_refused():
                    self._run(given, *settings)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                made = self._run(given, *settings)
        return _Graph(graph, given, made)


@contextmanager
def _waiting_refused() -> Iterator[None]:
    """Within the block what waits for the device is an error, said before a recording is spoilt by it."""
    before = torch.cuda.get_sync_debug_mode()
    _set_waiting(2)
    try:
        yield
    finally:
        _set_waiting(before)


def _set_waiting(mode: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype, which does not matter here
        torch.cuda.set_sync_debug_mode(mode)

"""choose_paths(): for every source of every layer the density up to which events are faster, measured on an example."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from torch import fx

from .layer import Layer
from .sources import Source
from .wire import Wire

_ROUNDS = 3


def choose_path(layer: Layer, source: Source, wires: Mapping[fx.Node, Wire]) -> None:
    """Set a source's `density_limit` from three timings: events, no events, dense.

    The time of a layer grows linearly with its events. Where a wire is not made of events by neurons, looking for
    what is not zero is part of the events' time, and one decision holds for all inputs.

    Args:
        layer: the layer.
        source: one of its sources.
        wires: what an example has made of the layer's inputs.
    """
    wire = wires[source.node]
    if wire.constant:
        source.density_limit = 0.0  # computed once, whatever it holds
        return
    native = wire.events is not None
    source.density_limit = 1.0
    events = _seconds(lambda: layer.run({**wires, source.node: _fresh(wire, native)}))
    source.density_limit = 0.0
    dense = _seconds(lambda: layer.run({**wires, source.node: _fresh(wire, native)}))
    if not native:
        source.density_limit = 1.0 if events < dense else 0.0
        return
    source.density_limit = 1.0
    given = wire.listed()
    silent = Wire(wire.timesteps, wire.shape, events=replace(given, counts=np.zeros_like(given.counts)))
    nothing = _seconds(lambda: layer.run({**wires, source.node: silent}))
    source.density_limit = _crossing(given.density, nothing, events, dense)


def _crossing(density: float, nothing: float, events: float, dense: float) -> float:
    """The density at which the line through (0, nothing) and (density, events) reaches `dense`, within 0..1."""
    if dense <= nothing:
        return 0.0
    slope = (events - nothing) / density if density else 0.0
    return 1.0 if slope <= 0 else min((dense - nothing) / slope, 1.0)


def _fresh(wire: Wire, native: bool) -> Wire:
    """The wire as the operation before has left it, so that what has to be made of it is paid for."""
    return replace(wire, tensor=None) if native else replace(wire, events=None)


def _seconds(run: Callable[[], object]) -> float:
    run()  # compiles, packs weights, makes room
    best = float("inf")
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return best

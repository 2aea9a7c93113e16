"""Pool, Concat: average pools and concatenations of events, which only join lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from torch import fx

from ..core.compiled import compiled
from .events import Events, room
from .synapses import Geometry
from .wire import Wire


@dataclass
class Pool:
    """An average pool: the lists of a window joined, each event worth its share.

    Args:
        node: the node whose wire it makes.
        source: the node whose wire it reads.
        name: where it stands.
        geometry: the windows' sizes.
        shape: one sample's shape of the output.
    """

    node: fx.Node
    source: fx.Node
    name: str
    geometry: Geometry
    shape: tuple[int, ...]
    _rooms: dict[tuple[int, ...], tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False)

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes whose wires it reads."""
        return [self.source]

    def run(self, wires: Mapping[fx.Node, Wire]) -> Wire:
        """Read the wire of the input and make that of the output."""
        wire = wires[self.source]
        given = wire.listed()
        c, height, width = given.image
        rows, columns = self.geometry.out(height, width)
        taps = self.geometry.kernel[0] * self.geometry.kernel[1]
        counts, lists, values = _room(self._rooms, given, (c, rows, columns), given.channels.shape[3] * taps)
        sizes = (*self.geometry.kernel, *self.geometry.stride, *self.geometry.padding)
        kept = given.values if given.values is not None else values
        _join_windows(given.counts, given.channels, kept, width, columns, sizes, counts, lists, values)
        joined = Events(
            counts, lists, values if values.size else None, (c, rows, columns), given.amplitude / np.float32(taps)
        )
        return Wire(wire.timesteps, self.shape, events=joined)


@dataclass
class Concat:
    """A concatenation of channels: the lists of each pixel joined.

    Args:
        node: the node whose wire it makes.
        sources: the nodes whose wires it reads, in order.
        name: where it stands.
        shape: one sample's shape of the output.
    """

    node: fx.Node
    sources: list[fx.Node]
    name: str
    shape: tuple[int, ...]
    _rooms: dict[tuple[int, ...], tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False)

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes whose wires it reads."""
        return self.sources

    def run(self, wires: Mapping[fx.Node, Wire]) -> Wire:
        """Read the wires of the inputs and make that of the output."""
        given = [wires[node].listed() for node in self.sources]
        valued = any(events.values is not None for events in given)
        image = (sum(events.image[0] for events in given), *given[0].image[1:])
        like = replace(given[0], values=given[0].channels if valued else None)
        counts, lists, values = _room(self._rooms, like, image, sum(events.channels.shape[3] for events in given))
        first = 0
        for events in given:
            ones = events.values is None
            _append(
                events.counts, events.channels, values if ones else events.values, ones, first, counts, lists, values
            )
            first += events.image[0]
        amplitude = np.concatenate([events.amplitude for events in given])
        joined = Events(counts, lists, values if valued else None, image, amplitude)
        return Wire(wires[self.sources[0]].timesteps, self.shape, events=joined)


def _room(
    rooms: dict[tuple[int, ...], tuple[np.ndarray, ...]], like: Events, image: tuple[int, int, int], capacity: int
) -> tuple[np.ndarray, ...]:
    samples, _, timesteps = like.counts.shape
    key = (timesteps, samples, capacity, like.values is not None)
    if key not in rooms:
        rooms.clear()
        rooms[key] = room(timesteps, samples, image, like.values is not None, capacity)
    rooms[key][0].fill(0)
    return rooms[key]


@compiled
def _join_windows(given, channels, worth, width, columns, sizes, counts, lists, values):  # pragma: no cover - compiled
    kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x = sizes
    height = given.shape[1] // width
    for n in range(counts.shape[0]):
        for q in range(counts.shape[1]):
            y0, x0 = q // columns * stride_y - pad_y, q % columns * stride_x - pad_x
            for t in range(counts.shape[2]):
                found = 0
                for y in range(max(y0, 0), min(y0 + kernel_y, height)):
                    for x in range(max(x0, 0), min(x0 + kernel_x, width)):
                        p = y * width + x
                        for i in range(given[n, p, t]):
                            lists[n, q, t, found] = channels[n, p, t, i]
                            if values.size:
                                values[n, q, t, found] = worth[n, p, t, i]
                            found += 1
                counts[n, q, t] = found


@compiled
def _append(given, channels, worth, ones, first, counts, lists, values):  # pragma: no cover - compiled
    for n in range(counts.shape[0]):
        for p in range(counts.shape[1]):
            for t in range(counts.shape[2]):
                found = counts[n, p, t]
                for i in range(given[n, p, t]):
                    lists[n, p, t, found] = first + channels[n, p, t, i]
                    if values.size:
                        values[n, p, t, found] = np.float32(1) if ones else worth[n, p, t, i]
                    found += 1
                counts[n, p, t] = found

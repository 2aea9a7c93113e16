"""MaxPools: max pools of activities, graded or as gates, on a layer's currents in one compiled pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..core.compiled import compiled
from ..core.dynamics import MaxPool
from ..core.parallel import over_parts
from .events import Events, room
from .torch_call import TorchCall
from .wire import Wire, image_of


@dataclass
class MaxPools:
    """Max pools: gates over spikes of one size from lists to lists, all others on a dense wire; by torch while a state
    is carried or where every step is the same.

    Args:
        call: the same as a call of torch.
        source: the node whose wire it reads.
        pool: what is computed.
        shape: one sample's shape of the output, (C, H, W).
        constant: what arrives without an image, [1, C, H', W']; None for gates.
    """

    call: TorchCall
    source: fx.Node
    pool: MaxPool
    shape: tuple[int, ...]
    constant: Tensor | None = None
    _rooms: dict[tuple[int, int], tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False)

    @property
    def node(self) -> fx.Node:
        """The node whose wire it makes."""
        return self.call.node

    @property
    def name(self) -> str:
        """Where it stands."""
        return self.call.name

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes whose wires it reads."""
        return [self.source]

    def run(self, wires: Mapping[fx.Node, Any]) -> Wire:
        """Read the wire of the input and make that of the output."""
        wire = wires[self.source]
        if self.carries or wire.constant:
            if self.constant is not None:
                cast(Any, self.call.layer).constants = [(self.constant,)]
            return self.call.run(wires)
        given = wire.events
        if self.pool.gate and given is not None and _one_size(given):
            return self._lists(wire, given)
        xs = wire.dense().permute(0, 1, 3, 4, 2).contiguous()
        timesteps, samples, height, width, channels = xs.shape
        _, rows, columns = self.shape
        out = np.empty((timesteps, samples, rows * columns, channels), np.float32)
        sizes = (height, width, *self.pool.kernel, *self.pool.stride, *self.pool.padding, columns)
        arrived = xs.view(timesteps, samples, height * width, channels).numpy()
        if self.pool.gate:
            over_parts(_gates, (arrived, sizes, out), samples)
        else:
            silent = cast(Tensor, self.constant).expand(1, *image_of(wire.shape))[0].flatten(1).T.contiguous()
            over_parts(_graded, (arrived, silent.numpy(), sizes, out), samples)
        made = torch.from_numpy(out).view(timesteps, samples, rows, columns, channels)
        return Wire(timesteps, self.shape, tensor=made.permute(0, 1, 4, 2, 3))

    def _lists(self, wire: Wire, given: Events) -> Wire:
        """Gates over spikes of one size."""
        samples, _, timesteps = given.counts.shape
        _, height, width = given.image
        channels, rows, columns = self.shape
        key = timesteps, samples
        if key not in self._rooms:
            self._rooms.clear()
            self._rooms[key] = room(timesteps, samples, (channels, rows, columns), valued=False)
        counts, lists, _ = self._rooms[key]
        sizes = (height, width, *self.pool.kernel, *self.pool.stride, *self.pool.padding, columns)
        over_parts(_gate_lists, (given.counts, given.channels, channels, sizes, counts, lists), samples)
        passed = Events(counts, lists, None, (channels, rows, columns), given.amplitude, distinct=True)
        return Wire(timesteps, self.shape, events=passed)

    @property
    def carries(self) -> bool:
        """Whether a state is carried from call to call."""
        return getattr(self.call.layer, "carry", None) is not None


def _one_size(events: Events) -> bool:
    """Whether every channel sends at most one spike of its size a step."""
    return events.values is None and events.distinct and bool((events.amplitude >= 0).all())


@compiled
def _window(q, sizes):  # pragma: no cover - compiled
    """First and last row and column of an output pixel's window, the last ones excluded."""
    height, width, kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x, columns = sizes
    y, x = q // columns * stride_y - pad_y, q % columns * stride_x - pad_x
    return max(y, 0), min(y + kernel_y, height), max(x, 0), min(x + kernel_x, width)


@compiled
def _graded(xs, silent, sizes, out, first, last):  # pragma: no cover - compiled
    timesteps, _, pixels, channels = xs.shape
    width = sizes[1]
    got, said = np.empty((pixels, channels), np.float32), np.empty((out.shape[2], channels), np.float32)
    largest = np.empty(channels, np.float32)
    for n in range(first, last):
        got[:], said[:] = silent, np.float32(0)
        for t in range(timesteps):
            step = np.float32(t + 1)
            share = np.float32(1) / step
            for p in range(pixels):
                for c in range(channels):
                    got[p, c] += (xs[t, n, p, c] - silent[p, c]) * share
            for q in range(out.shape[2]):
                top, bottom, left, right = _window(q, sizes)
                for c in range(channels):
                    largest[c] = got[top * width + left, c]
                for y in range(top, bottom):
                    for x in range(left, right):
                        p = y * width + x
                        for c in range(channels):
                            largest[c] = max(largest[c], got[p, c])
                for c in range(channels):
                    out[t, n, q, c] = step * (largest[c] - said[q, c])
                for c in range(channels):
                    said[q, c] = largest[c]


@compiled
def _gates(xs, sizes, out, first, last):  # pragma: no cover - compiled
    timesteps, _, pixels, channels = xs.shape
    width = sizes[1]
    total, winner = np.empty((pixels, channels), np.float32), np.empty((out.shape[2], channels), np.int32)
    largest, place = np.empty(channels, np.float32), np.empty(channels, np.int32)
    for n in range(first, last):
        total[:], winner[:] = np.float32(0), -1
        for t in range(timesteps):
            for p in range(pixels):
                for c in range(channels):
                    total[p, c] += xs[t, n, p, c]
            for q in range(out.shape[2]):
                top, bottom, left, right = _window(q, sizes)
                for c in range(channels):
                    largest[c], place[c] = total[top * width + left, c], top * width + left
                for y in range(top, bottom):
                    for x in range(left, right):
                        p = y * width + x
                        for c in range(channels):
                            ahead = total[p, c] > largest[c]
                            largest[c] = total[p, c] if ahead else largest[c]
                            place[c] = p if ahead else place[c]
                for c in range(channels):
                    last_one = winner[q, c]
                    if last_one < 0 or total[last_one, c] < largest[c]:
                        winner[q, c] = place[c]
                    out[t, n, q, c] = xs[t, n, winner[q, c], c]


@compiled
def _gate_lists(given, active, channels, sizes, counts, lists, first, last):  # pragma: no cover - compiled
    """A window changes its winner only where a spike arrives: whoever has more than the last winner takes over."""
    height, width = sizes[0], sizes[1]
    outputs = counts.shape[1]
    total, winner = np.empty((height * width, channels), np.int32), np.empty((outputs, channels), np.int32)
    for n in range(first, last):
        total[:] = 0
        for q in range(outputs):
            top, _, left, _ = _window(q, sizes)
            winner[q] = top * width + left
        for t in range(counts.shape[2]):
            for p in range(height * width):
                for i in range(given[n, p, t]):
                    total[p, active[n, p, t, i]] += 1
            for q in range(outputs):
                top, bottom, left, right = _window(q, sizes)
                for y in range(top, bottom):
                    for x in range(left, right):
                        p = y * width + x
                        for i in range(given[n, p, t]):
                            c = active[n, p, t, i]
                            if total[p, c] > total[winner[q, c], c]:
                                winner[q, c] = p
                found = 0
                for y in range(top, bottom):
                    for x in range(left, right):
                        p = y * width + x
                        for i in range(given[n, p, t]):
                            c = active[n, p, t, i]
                            if winner[q, c] == p:
                                lists[n, q, t, found] = c
                                found += 1
                counts[n, q, t] = found

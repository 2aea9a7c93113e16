"""Layer: everything that drives a layer of neurons, and the neurons, as one operation of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..core.neuron import Neuron
from ..core.parallel import over_parts
from ..core.temporal import check_window
from . import layer_kernel as loop
from . import neuron_kernels as neurons
from .events import Events, room
from .program import Program, constant_rows
from .sources import Source
from .synapses import Synapse, register_width, rounded
from .vector import WIDTHS
from .wire import Wire, image_of

_NOTHING = np.empty((0, 0, 0, 0), np.float32)
_CACHE_BYTES = 256 * 1024
"""Weights of a block of output channels should stay in a core's second cache beside the lists."""


class _Carried(NamedTuple):
    """The state that is carried from call to call."""

    rows: np.ndarray  # what neurons keep, [S, N, P, C']
    done: int  # steps before this call, where neurons count them
    resumed: bool  # whether it goes on from an earlier call
    begun: Any  # the state itself


class _Call(NamedTuple):
    """What stays the same from call to call."""

    key: tuple
    driven: tuple  # the sources' table, the kind of neuron, the block, the registers, the biases
    constants: np.ndarray
    steps: np.ndarray
    no_state: np.ndarray
    room: tuple[np.ndarray, ...]
    places: tuple[int, int]  # number of places, channels of each
    joined: int  # pixels of a place
    held: Any  # what the table's addresses point at


@dataclass
class Layer:
    """Sources, and what happens to the sum of their currents.

    Args:
        node: the node whose wire it makes.
        name: path of the neurons, or of the layer whose currents are its output.
        sources: what drives it.
        program: what the neurons do.
        shape: one sample's shape of the output.
        neuron: the neurons as torch has them, which hold the state that is carried from call to call.
        constant: what arrives at differential neurons without an image, [1, *F].
    """

    node: fx.Node
    name: str
    sources: list[Source]
    program: Program
    shape: tuple[int, ...]
    neuron: Neuron | None = None
    constant: Tensor | None = None
    _rooms: dict[tuple[int, int], tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False)
    _last: _Call | None = field(default=None, repr=False)

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes whose wires it reads."""
        return [source.node for source in self.sources]

    def run(self, wires: Mapping[fx.Node, Wire]) -> Wire:
        """Read the wires of the inputs and make that of the output.

        Args:
            wires: what has been made so far.
        """
        given = [wires[source.node] for source in self.sources]
        events = [
            wire.listed() if self.takes_events(source, wire) else None for source, wire in zip(self.sources, given)
        ]
        timesteps, samples = given[0].timesteps, self._samples(given)
        base = self._base(given, events)
        call = self._prepared(timesteps, samples, events)
        channels, height, width = image_of(self.shape)
        currents = np.empty((timesteps, samples, *call.places), np.float32) if self.plain else _NOTHING
        counts, lists, values = call.room
        counts.fill(0)
        state = self._carried(samples)
        if self.program.window and (state is None or not state.resumed):
            check_window(torch.from_numpy(call.steps), self.program.window, type(self.neuron).__name__)
        numbers = self.program.numbers_of(state is not None and state.resumed)
        if state is None:
            kept, steps = call.no_state, call.steps
        else:
            kept, steps = state.rows.reshape(len(state.rows), samples, call.places[0], -1), call.steps + state.done
        arguments = (
            *call.driven,
            base if base is _NOTHING else base.reshape(*base.shape[:2], *call.places),
            *(call.constants, numbers, steps, *self.program.firing, kept, state is not None),
            *(currents, counts, lists, values, call.places[1], channels, width // call.joined),
        )
        try:
            over_parts(loop.run_layer, arguments, samples * height)
        except BaseException:  # Ctrl-C: threads may still be writing into what the next call would use
            self._rooms.clear()
            self._last = None
            raise
        if state is not None:
            self._keep(state, timesteps)
        if self.plain:
            out = torch.from_numpy(currents).view(timesteps, samples, height, width, channels).permute(0, 1, 4, 2, 3)
            return Wire(timesteps, self.shape, tensor=out.reshape(timesteps, samples, *self.shape))
        worth, image = (values if self.program.graded else None), (channels, height, width)
        spikes = Events(counts, lists, worth, image, self.program.amplitude, distinct=True)
        return Wire(timesteps, self.shape, events=spikes)

    def _prepared(self, timesteps: int, samples: int, events: list[Events | None]) -> _Call:
        """What the compiled loop is given, the same from call to call while its inputs have the same form and place."""
        key = (timesteps, samples, *(None if e is None else e.key() for e in events))
        if self._last is None or self._last.key != key:
            self._last = self._prepare(key, timesteps, samples, events)
        return self._last

    def _prepare(self, key: tuple, timesteps: int, samples: int, events: list[Events | None]) -> _Call:
        channels, height, width = image_of(self.shape)
        joined = self._joined()
        registers = register_width(channels * joined)
        driven = [(s.synapse(e, registers, joined), e) for s, e in zip(self.sources, events) if e is not None]
        table = np.array([synapse.row(e) for synapse, e in driven], np.int64).reshape(-1, loop.FIELDS)
        block = self._block([synapse for synapse, _ in driven], channels * joined, registers)
        bias = np.zeros(channels, np.float32)
        for source, found in zip(self.sources, events):
            if found is not None and source.bias is not None:
                bias += source.bias
        constants = self._padded(self._constants(), joined, block)
        if not self.plain:
            constants[neurons.V_THRESHOLD, :, channels * joined :] = np.finfo(np.float32).max  # padding never fires
        return _Call(
            key=key,
            driven=(table, self.program.kind, block, registers, self._padded(bias[None], joined, block)[0]),
            constants=np.ascontiguousarray(
                constants.reshape(*constants.shape[:2], -1, block).transpose(1, 2, 0, 3)  # a block's together
            ),
            steps=np.arange(1, timesteps + 1, dtype=np.float32),
            no_state=np.zeros((self.program.parts, 0, 0, 0), np.float32),
            room=self._room(timesteps, samples),
            places=(height * width // joined, channels * joined),
            joined=joined,
            held=driven,
        )

    def _joined(self) -> int:
        """Neighbouring pixels that are done as one place, as a pixel's channels alone would not fill the registers."""
        channels, _, width = image_of(self.shape)
        pixels = WIDTHS[0] // channels
        wide = channels % 16 == 0 and pixels > 1 and width % pixels == 0
        return pixels if wide and all(source.can_join(pixels) for source in self.sources) else 1

    @property
    def plain(self) -> bool:
        """Whether its output is currents, without neurons."""
        return self.program.kind == neurons.CURRENTS

    def takes_events(self, source: Source, wire: Wire) -> bool:
        """Whether a source is run on events this time."""
        if source.density_limit <= 0 or wire.constant:
            return False
        return source.density_limit >= 1 or (wire.events is not None and wire.events.density <= source.density_limit)

    def _carried(self, samples: int) -> _Carried | None:
        """What a carried layer begins with."""
        if self.neuron is None or self.neuron.carry is None:
            return None
        like = torch.empty(samples, *self.shape)
        state = self.neuron.begin(lambda: self._fresh(like), repeat(like))
        resumed = self.neuron.carry.state is not None
        channels, height, width = image_of(self.shape)
        parts = [part.movedim(1, -1).reshape(samples, height * width, channels) for part in state if part.dim()]
        done = sum(int(part) for part in state if not part.dim())
        rows = np.zeros((len(parts), *parts[0].shape[:2], rounded(channels, register_width(channels))), np.float32)
        for row, part in zip(rows, parts):
            row[..., :channels] = part.numpy()
        return _Carried(rows, done, resumed, state)

    def _fresh(self, like: Tensor) -> Any:
        """The state before the first step of samples like these."""
        fresh: Any = cast(Neuron, self.neuron).init_state(like)
        return fresh if self.program.kind != neurons.DIFFERENTIAL else fresh._replace(r_in=fresh.r_in + self.constant)

    def _keep(self, state: _Carried, timesteps: int) -> None:
        """Hand the state to the neuron; channels stay innermost in memory, as the next call wants them."""
        rows = iter(torch.from_numpy(state.rows[..., : self.shape[0]]))
        parts = [
            next(rows).reshape(-1, *self.shape[1:], self.shape[0]).movedim(-1, 1).to(part.dtype)
            if part.dim()
            else part + timesteps
            for part in state.begun
        ]
        cast(Neuron, self.neuron).end(type(state.begun)(*parts))

    def _samples(self, given: list[Wire]) -> int:
        first = given[0]
        return first.tensor.shape[1] if first.tensor is not None else first.listed().counts.shape[0]

    def _base(self, given: list[Wire], events: list[Events | None]) -> np.ndarray:
        """Currents of the sources that are run dense, [1 or T, N, P, C]; empty without one."""
        parts = [source.dense(wire) for source, wire, found in zip(self.sources, given, events) if found is None]
        if not parts:
            return _NOTHING
        base = sum(parts[1:], parts[0])
        wide = base.reshape(*base.shape[:2], *image_of(self.shape)).permute(0, 1, 3, 4, 2).contiguous()
        return wide.flatten(2, 3).numpy()

    def _block(self, synapses: list[Synapse], channels: int, width: int) -> int:
        whole = rounded(channels, width)
        if any(synapse.kind == loop.SCATTER for synapse in synapses):
            return whole
        largest = max((synapse.packed.nbytes for synapse in synapses), default=0)
        return whole if largest <= _CACHE_BYTES else width

    def _room(self, timesteps: int, samples: int) -> tuple[np.ndarray, ...]:
        key = timesteps, samples
        if key not in self._rooms:
            self._rooms.clear()
            self._rooms[key] = room(timesteps, samples, image_of(self.shape), self.program.graded)
        return self._rooms[key]

    def _constants(self) -> np.ndarray:
        """The neurons' constants, [K, 1 or P, C]."""
        constants = self.program.constants
        if self.program.kind != neurons.DIFFERENTIAL:
            return constants
        own = torch.from_numpy(constants[neurons.V_THRESHOLD]).T.reshape(self._spread(constants.shape[1]))
        rows = [own, cast(Tensor, self.constant).float()]
        return cast(np.ndarray, constant_rows(rows, self.shape))

    def _spread(self, pixels: int) -> tuple[int, ...]:
        """The shape that a constant [C, 1 or P] has as a tensor that broadcasts to [N, *F]."""
        return self.shape if pixels > 1 else (self.shape[0], *([1] * (len(self.shape) - 1)))

    def _padded(self, values: np.ndarray, joined: int, block: int) -> np.ndarray:
        """Values [K, 1 or P, C] or [1, C] of pixels as those of places, with zeros up to whole blocks of channels."""
        if joined > 1:
            alike = values.ndim < 3 or values.shape[-2] == 1
            values = np.tile(values, joined) if alike else values.reshape(len(values), -1, joined * values.shape[-1])
        full = np.zeros((*values.shape[:-1], rounded(values.shape[-1], block)), np.float32)
        full[..., : values.shape[-1]] = values
        return full

"""Layer: everything that drives a layer of neurons, and the neurons, as one operation of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..core.neuron import Neuron
from ..core.parallel import over_parts
from . import layer_kernel as loop
from . import neuron_kernels as neurons
from .events import Events, room
from .program import Program, constant_rows
from .sources import Source
from .synapses import register_width, rounded
from .wire import Wire, image_of

_NOTHING = np.empty((0, 0, 0, 0), np.float32)
_CACHE_BYTES = 256 * 1024
"""Weights of a block of output channels should stay in a core's second cache beside the lists."""


class _Carried(NamedTuple):
    """The state that is carried from call to call."""

    rows: np.ndarray  # what neurons keep, [S, N, P, C']
    done: int  # steps before this call, where neurons count them
    kind: Any  # the state's class


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
    """

    node: fx.Node
    name: str
    sources: list[Source]
    program: Program
    shape: tuple[int, ...]
    neuron: Neuron | None = None
    _rooms: dict[tuple[int, int], tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False)

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
        base, bias = self._base(given, events)
        timesteps, samples = given[0].timesteps, self._samples(given)
        image = image_of(self.shape)
        channels, height, width = image
        registers = register_width(channels)
        synapses = [(s.synapse(e, registers), e) for s, e in zip(self.sources, events) if e is not None]
        table = np.array([synapse.row(e) for synapse, e in synapses], np.int64).reshape(-1, loop.FIELDS)
        block = self._block([synapse for synapse, _ in synapses], registers)
        currents = np.empty((timesteps, samples, height * width, channels), np.float32) if self.plain else _NOTHING
        counts, lists, values = self._room(timesteps, samples)
        constants = self._constants(block)
        state = self._carried(samples)
        kept = np.zeros((self.program.parts, 0, 0, 0), np.float32) if state is None else state.rows
        steps = np.arange(1, timesteps + 1, dtype=np.float32) + np.float32(0 if state is None else state.done)
        arguments = (
            *(table, self.program.kind, block, registers, self._padded(bias, block), base),
            *(constants, self.program.numbers, steps, *self.program.firing, kept, state is not None),
            *(currents, counts, lists, values, channels, width),
        )
        try:
            over_parts(loop.run_layer, arguments, samples * height)
        except BaseException:  # Ctrl-C: threads may still be writing into what the next call would use
            self._rooms.clear()
            raise
        if state is not None:
            self._keep(state, timesteps)
        if self.plain:
            out = torch.from_numpy(currents).view(timesteps, samples, height, width, channels).permute(0, 1, 4, 2, 3)
            return Wire(timesteps, self.shape, tensor=out.reshape(timesteps, samples, *self.shape))
        spikes = Events(counts, lists, values if self.program.graded else None, image, self.program.amplitude)
        return Wire(timesteps, self.shape, events=spikes)

    @property
    def plain(self) -> bool:
        """Whether its output is currents, without neurons."""
        return self.program.kind == loop.CURRENTS

    def takes_events(self, source: Source, wire: Wire) -> bool:
        """Whether a source is run on events this time."""
        if source.density_limit <= 0 or wire.constant:
            return False
        return source.density_limit >= 1 or (wire.events is not None and wire.events.density <= source.density_limit)

    def _carried(self, samples: int) -> _Carried | None:
        """What a carried layer begins with."""
        if self.neuron is None or self.neuron.carry is None:
            return None
        fresh = self.neuron.init_state(torch.empty(samples, *self.shape))
        if self.program.kind == neurons.DIFFERENTIAL:
            fresh = fresh._replace(r_in=fresh.r_in + self._constant())  # pyright: ignore[reportAttributeAccessIssue]
        state = self.neuron.begin(lambda: fresh, fresh)
        channels, height, width = image_of(self.shape)
        parts = [part.reshape(samples, channels, height * width).transpose(1, 2) for part in state if part.dim()]
        done = sum(int(part) for part in state if not part.dim())
        rows = [self._padded(part.numpy(), register_width(channels)) for part in parts]
        return _Carried(np.stack(rows), done, type(state))

    def _keep(self, state: _Carried, timesteps: int) -> None:
        rows = torch.from_numpy(state.rows[..., : self.shape[0]]).transpose(2, 3)
        parts = [part.reshape(-1, *self.shape).clone() for part in rows]
        counted = [torch.tensor(state.done + timesteps)] if len(state.kind._fields) > len(parts) else []
        cast(Neuron, self.neuron).end(state.kind(*counted, *parts))

    def hear(self) -> None:
        """Have done with what the shell has told the neurons for this call; timing it runs a layer more than once."""
        told = getattr(self.neuron, "constants", None)
        if told:
            told.pop(0)

    def _constant(self) -> Tensor | float:
        """What arrives at differential neurons without an image, [1, *F], as the shell has told them."""
        told = getattr(self.neuron, "constants", None)
        return told[0][0] if told else 0.0

    def _samples(self, given: list[Wire]) -> int:
        first = given[0]
        return first.tensor.shape[1] if first.tensor is not None else first.listed().counts.shape[1]

    def _base(self, given: list[Wire], events: list[Events | None]) -> tuple[np.ndarray, np.ndarray]:
        base, bias = None, np.zeros(self.shape[0], np.float32)
        for source, wire, found in zip(self.sources, given, events):
            if found is None:
                part = source.dense(wire)
                base = part if base is None else base + part
            elif source.bias is not None:
                bias += source.bias
        if base is None:
            return _NOTHING, bias
        wide = base.reshape(*base.shape[:2], *image_of(self.shape)).permute(0, 1, 3, 4, 2).contiguous()
        return wide.flatten(2, 3).numpy(), bias

    def _block(self, synapses: list, width: int) -> int:
        whole = rounded(self.shape[0], width)
        if any(synapse.scatters for synapse in synapses):
            return whole
        largest = max((synapse.packed.nbytes for synapse in synapses), default=0)
        return whole if largest <= _CACHE_BYTES else width

    def _room(self, timesteps: int, samples: int) -> tuple[np.ndarray, ...]:
        key = timesteps, samples
        if key not in self._rooms:
            self._rooms.clear()
            self._rooms[key] = room(timesteps, samples, image_of(self.shape), self.program.graded)
        counts, lists, values = self._rooms[key]
        counts[:] = 0
        return counts, lists, values

    def _constants(self, block: int) -> np.ndarray:
        constants = self.program.constants
        if self.program.kind == neurons.DIFFERENTIAL:
            constant = torch.as_tensor(self._constant(), dtype=torch.float32)
            own = torch.from_numpy(constants[neurons.V_THRESHOLD]).T.reshape(self._spread(constants.shape[1]))
            constants = cast(np.ndarray, constant_rows([own, constant], self.shape))
        padded = self._padded(constants, block)
        if not self.plain:
            padded[neurons.V_THRESHOLD, :, self.shape[0] :] = np.finfo(np.float32).max  # padding never fires
        return padded

    def _spread(self, pixels: int) -> tuple[int, ...]:
        """The shape that a constant [C, 1 or P] has as a tensor that broadcasts to [N, *F]."""
        return self.shape if pixels > 1 else (self.shape[0], *([1] * (len(self.shape) - 1)))

    def _padded(self, values: np.ndarray, block: int) -> np.ndarray:
        full = np.zeros((*values.shape[:-1], rounded(self.shape[0], block)), np.float32)
        full[..., : self.shape[0]] = values
        return full

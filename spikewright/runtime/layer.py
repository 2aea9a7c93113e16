"""Layer: everything that drives a layer of neurons, and the neurons, as one operation of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..core.dynamics import Leaky, Signed
from ..core.neuron import Neuron
from ..core.parallel import over_parts
from ..core.reset import none, subtract, to_zero
from . import layer_kernel as loop
from . import neuron_kernels as neurons
from .events import Events, room
from .sources import Source
from .synapses import register_width, rounded
from .wire import Wire, image_of

_NOTHING = np.empty((0, 0, 0, 0), np.float32)
_NO_STATE = np.empty((0, 0, 0), np.float32)
_RESETS = {subtract: neurons.SUBTRACT, to_zero: neurons.TO_ZERO, none: neurons.NONE}
_CACHE_BYTES = 256 * 1024
"""Weights of a block of output channels should stay in a core's second cache beside the lists."""


@dataclass(frozen=True)
class Program:
    """What the compiled loop does with the currents.

    Args:
        kind: kind of neuron, or `loop.CURRENTS`.
        constants: [K, 1 or P, C].
        numbers: constants that all neurons share.
        amplitude: what a unit spike delivers, [C].
        graded: whether unit spikes are other than 0 and 1.
    """

    kind: int
    constants: np.ndarray
    numbers: np.ndarray
    amplitude: np.ndarray
    graded: bool = False


def no_neurons(shape: tuple[int, ...]) -> Program:
    """The currents themselves."""
    channels = shape[0]
    empty = np.zeros((1, 1, channels), np.float32)
    return Program(loop.CURRENTS, empty, np.zeros(1, np.float32), np.ones(channels, np.float32))


def program(dynamics: Leaky | Signed, amplitude: Tensor, shape: tuple[int, ...]) -> Program | None:
    """What the compiled loop runs for neurons of these dynamics; None where it cannot.

    Args:
        dynamics: what they compute.
        amplitude: what a unit spike delivers, broadcastable to [N, *F].
        shape: one sample's shape, *F.
    """
    worth = _rows([amplitude], shape)
    if worth is None or worth.shape[1] > 1:  # it belongs into the weights of the next layer, a channel at a time
        return None
    if isinstance(dynamics, Signed):
        constants = _rows([dynamics.v_threshold, dynamics.start], shape)
        return (
            None
            if constants is None
            else Program(neurons.SIGNED, constants, np.zeros(1, np.float32), worth[0, 0], True)
        )
    if dynamics.reset not in _RESETS:
        return None
    mask = torch.ones(()) if dynamics.mask is None else dynamics.mask
    constants = _rows([dynamics.v_threshold, dynamics.start, dynamics.decay, dynamics.gain, mask], shape)
    if constants is None or not np.isin(constants[neurons.MASK], (0, 1)).all():
        return None
    numbers = np.array([_RESETS[dynamics.reset]], np.float32)
    plain = dynamics.reset is subtract and (constants[neurons.DECAY :] == 1).all()
    return Program(loop.INTEGRATE if plain else neurons.LEAKY, constants, numbers, worth[0, 0])


def _rows(values: Sequence[Tensor], shape: tuple[int, ...]) -> np.ndarray | None:
    """Constants that broadcast to [N, *F] as [K, 1 or P, C], channels last; None if a sample has its own."""
    channels, height, width = image_of(shape)
    rows = []
    for value in values:
        given = value.detach().to(torch.float32)
        if given.dim() > len(shape) and given.shape[-len(shape) - 1] != 1:
            return None
        sizes = [1] * (len(shape) - given.dim()) + list(given.shape)
        rows.append(given.reshape(sizes[-len(shape) :]))
    per_pixel = any(size > 1 for row in rows for size in row.shape[1:])
    space = (height, width) if per_pixel else (1, 1)
    wide = [row.reshape(*row.shape[:1], *([1] * (3 - row.dim())), *row.shape[1:]) for row in rows]
    full = torch.stack([row.expand(channels, *space) for row in wide])
    return np.ascontiguousarray(full.flatten(2).transpose(1, 2).numpy())


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
        state = self._carried(samples)
        arguments = (
            *(table, self.program.kind, block, registers, self._padded(bias[None, None], block, 0)[0, 0], base),
            *(self._constants(block), self.program.numbers, _NO_STATE if state is None else state, state is not None),
            *(currents, counts, lists, values, channels, width),
        )
        try:
            over_parts(loop.run_layer, arguments, samples * height)
        except BaseException:  # Ctrl-C: threads may still be writing into what the next call would use
            self._rooms.clear()
            raise
        if state is not None:
            self._keep(state)
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

    def _carried(self, samples: int) -> np.ndarray | None:
        """The potentials that a carried layer begins with, [N, P, C']."""
        if self.neuron is None or self.neuron.carry is None:
            return None
        like = torch.empty(samples, *self.shape)
        (v,) = self.neuron.begin(lambda: cast(Neuron, self.neuron).init_state(like), [like])
        channels, height, width = image_of(self.shape)
        rows = v.reshape(samples, channels, height * width).transpose(1, 2).numpy()
        return self._padded(rows, register_width(channels), 0)

    def _keep(self, state: np.ndarray) -> None:
        neuron = cast(Neuron, self.neuron)
        rows = torch.from_numpy(state[..., : self.shape[0]]).transpose(1, 2)
        kind: Any = type(neuron.init_state(torch.empty(1, *self.shape)))
        neuron.end(kind(rows.reshape(-1, *self.shape).clone()))

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
        constants = self._padded(self.program.constants, block, 0)
        if not self.plain:
            constants[neurons.V_THRESHOLD, :, self.shape[0] :] = np.finfo(np.float32).max  # padding never fires
        return constants

    def _padded(self, values: np.ndarray, block: int, fill: float) -> np.ndarray:
        full = np.full((*values.shape[:2], rounded(self.shape[0], block)), fill, np.float32)
        full[..., : self.shape[0]] = values
        return full

"""Probed: a layer that must know what its wires hold without an image; and the pass that finds out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from .errors import ShapeError, sentence
from .stateful import Stateful
from .temporal import Temporal, told

_probing: ContextVar[bool] = ContextVar("probing", default=False)


def is_probing() -> bool:
    """Whether a network is being run without an image, a run that nobody should watch or count."""
    return _probing.get()


class Probed(Temporal):
    """A temporal layer to which the shell tells, for the length of one call, the constant part of each of its inputs.

    The constant part is what arrives when every probed layer is silent and the input is zero: biases, and what affine
    layers make of them. It depends on the input's shape alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Tensor, ...]] | None = None  # while probing: what arrived, call by call
        self.constants: list[tuple[Tensor, ...]] | None = None  # during a call: what is left of it

    def silent(self, *xs: Tensor) -> Tensor | None:
        """While the network is probed, note what arrived and return what a silent layer gives; otherwise None."""
        if self.heard is None:
            return None
        self.heard.append(tuple(_once(x[0]) for x in xs))
        return torch.zeros_like(self.shaped(*xs))

    def shaped(self, *xs: Tensor) -> Tensor:
        """Something of the output's shape [T, N, ...] and dtype; by default the first input."""
        return xs[0]

    def constant_parts(self, *xs: Tensor) -> tuple[Tensor | float, ...]:
        """The constant part [1, *F] of each input; 0 where no shell has told it, as when a layer runs alone.

        Where an image has several rows, as when tokens are reshaped into the batch, they are [N * rows, *F] if they
        differ.
        """
        if not self.constants:
            return (0.0,) * len(xs)
        return tuple(_for_all(constant, x.shape[1]) for constant, x in zip(self.constants.pop(0), xs))


def _once(constant: Tensor) -> Tensor:
    """One row where all rows of an image are alike and can be looked at."""
    if len(constant) == 1 or constant.is_meta:
        return constant
    return constant[:1] if bool((constant == constant[:1]).all()) else constant


def _for_all(constant: Tensor, rows: int) -> Tensor:
    """The rows of one image for a batch, whose images follow each other."""
    if len(constant) == 1 or rows % len(constant):
        return constant
    return constant.repeat(rows // len(constant), *[1] * (constant.dim() - 1))


class ProbeMemory:
    """What the last probe of a network found, and of which weights, kind and shape of input that holds."""

    def __init__(self) -> None:
        self.key: Any = None
        self.found: list[list[tuple[Tensor, ...]]] = []

    def __deepcopy__(self, memo: dict) -> ProbeMemory:
        return ProbeMemory()

    def __reduce__(self) -> tuple:
        return ProbeMemory, ()


@contextmanager
def probed(module: nn.Module, xs: Tensor, memory: ProbeMemory) -> Iterator[None]:
    """Within the block every probed layer knows its constant parts for inputs like xs [T, N, ...].

    The probe is one step of one sample. It is not repeated while weights and shape stay as they are and no gradient
    is asked for.
    """
    layers = probed_layers(module)
    if not layers:
        yield
        return
    learning = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in module.parameters())
    key = None if learning else _key(module, xs)
    if key is None or key != memory.key:
        found = probe(module, layers, xs)
        memory.key, memory.found = (key, found) if key is not None else (None, [])
    else:
        found = memory.found
    with knowing(layers, found):
        yield


def probed_layers(module: nn.Module) -> list[Probed]:
    """The probed layers of a network, in the order in which `probe` returns what they hear."""
    return [part for part in module.modules() if isinstance(part, Probed)]


@contextmanager
def knowing(layers: list[Probed], found: list[list[tuple[Tensor, ...]]]) -> Iterator[None]:
    """Within the block probed layers know the constant parts that a probe has found, one for each of their calls."""
    try:
        for layer, constants in zip(layers, found):
            layer.constants = list(constants)
        yield
        unused = next((layer for layer in layers if layer.constants), None)
        if unused is not None:
            raise ShapeError(
                sentence(
                    type(unused).__name__,
                    "fewer calls than in the pass without an image",
                    "a network that calls the same layers for every input",
                )
            )
    finally:
        for layer in layers:
            layer.constants = None


def probe(module: nn.Module, layers: list[Probed], xs: Tensor) -> list[list[tuple[Tensor, ...]]]:
    """What arrives at probed layers, call by call, in one step of one silent sample like those of xs [T, N, ...]."""
    mark = _probing.set(True)
    stateful = [part for part in module.modules() if isinstance(part, Stateful)]
    carried = [part.carry for part in stateful]
    try:
        for part in stateful:
            part.carry = None
        for layer in layers:
            layer.heard = []
        with told(module, 1):
            module(torch.zeros_like(xs[0, :1]))
        return [layer.heard or [] for layer in layers]
    finally:
        _probing.reset(mark)
        for part, carry in zip(stateful, carried):
            part.carry = carry
        for layer in layers:
            layer.heard = None


def _key(module: nn.Module, xs: Tensor) -> Any:
    """Changes with the input's shape and kind and whenever a weight is written; None where that cannot be seen."""
    tensors = (*module.parameters(), *module.buffers())
    if any(tensor.is_inference() for tensor in tensors):
        return None
    written = tuple((id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors)
    return tuple(xs.shape[2:]), xs.dtype, xs.device, module.training, torch.is_inference_mode_enabled(), written

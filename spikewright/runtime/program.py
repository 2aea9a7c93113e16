"""Program: what the compiled loop does with a layer's currents, made of what neurons say that they compute."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..core.dynamics import Differential, Dynamics, Graded, Hierarchical, Leaky, Rehearsed, Replayed, Signed
from ..core.reset import forward_of, none, subtract, to_zero
from ..neurons.firing.compiled import encoded
from . import neuron_kernels as neurons
from .wire import image_of

_RESETS = {subtract: neurons.SUBTRACT, to_zero: neurons.TO_ZERO, none: neurons.NONE}
_BORDERS = {operator.ge: neurons.AT_LEAST, operator.gt: neurons.ABOVE}
_NO_FIRING = (np.zeros(2, np.int64), np.zeros(1, np.float32), np.zeros(1, np.float32))


@dataclass(frozen=True)
class Program:
    """What the compiled loop does with the currents.

    Args:
        kind: kind of neuron, or `neuron_kernels.CURRENTS`.
        constants: [K, 1 or P, C]; the second row is what the first part of the state begins with.
        numbers: constants that all neurons share.
        amplitude: what a unit spike delivers, [C].
        graded: whether unit spikes are other than 0 and 1.
        parts: how many numbers a neuron keeps.
        window: steps that a sequence must begin with.
        firing: the firing function as the loop takes it: its kind and sign, thresholds, other constants.
    """

    kind: int
    constants: np.ndarray
    numbers: np.ndarray
    amplitude: np.ndarray
    graded: bool = False
    parts: int = 1
    window: int = 0
    firing: tuple[np.ndarray, np.ndarray, np.ndarray] = field(default=_NO_FIRING, repr=False)

    def numbers_of(self, resumed: bool) -> np.ndarray:
        """`numbers` for a call, which replays nothing where it goes on from a state of an earlier one."""
        if self.kind != neurons.REPLAYED or not resumed:
            return self.numbers
        numbers = self.numbers.copy()
        numbers[neurons.ROUNDS] = 0
        return numbers


def no_neurons(shape: tuple[int, ...]) -> Program:
    """The currents themselves."""
    empty = np.zeros((2, 1, shape[0]), np.float32)
    return Program(neurons.CURRENTS, empty, np.zeros(1, np.float32), np.ones(shape[0], np.float32))


def program(dynamics: Dynamics, amplitude: Tensor, shape: tuple[int, ...]) -> Program | None:
    """What the compiled loop runs for neurons of these dynamics; None where it cannot.

    Args:
        dynamics: what they compute.
        amplitude: what a unit spike delivers, broadcastable to [N, *F].
        shape: one sample's shape, *F.
    """
    worth = constant_rows([amplitude], shape)
    if worth is None or worth.shape[1] > 1:  # it belongs into the weights of the next layer, a channel at a time
        return None
    if isinstance(dynamics, Leaky):
        return _leaky(dynamics, worth[0, 0], shape)
    if isinstance(dynamics, Signed):
        constants = constant_rows([dynamics.v_threshold, dynamics.start], shape)
        numbers = np.zeros(1, np.float32)
        return None if constants is None else Program(neurons.SIGNED, constants, numbers, worth[0, 0], graded=True)
    if isinstance(dynamics, Hierarchical):  # no compiled loop has two potentials of this kind
        return None
    if isinstance(dynamics, Rehearsed):
        return _rehearsed(dynamics, worth[0, 0], shape)
    if isinstance(dynamics, Replayed):
        return _replayed(dynamics, worth[0, 0], shape)
    if isinstance(dynamics, Graded):
        return _graded(dynamics, worth[0, 0], shape)
    return _differential(dynamics, worth[0, 0], shape)


def _leaky(dynamics: Leaky, worth: np.ndarray, shape: tuple[int, ...]) -> Program | None:
    reset = forward_of(dynamics.reset)
    if reset not in _RESETS:
        return None
    mask = torch.ones(()) if dynamics.mask is None else dynamics.mask
    constants = constant_rows([dynamics.v_threshold, dynamics.start, dynamics.decay, dynamics.gain, mask], shape)
    if constants is None or not np.isin(constants[neurons.MASK], (0, 1)).all():
        return None
    numbers = np.array([_RESETS[reset]], np.float32)
    plain = reset is subtract and (constants[neurons.DECAY :] == 1).all()
    return Program(neurons.INTEGRATE if plain else neurons.LEAKY, constants, numbers, worth)


def _rehearsed(dynamics: Rehearsed, worth: np.ndarray, shape: tuple[int, ...]) -> Program | None:
    constants = constant_rows([dynamics.v_threshold, dynamics.start], shape)
    if constants is None or dynamics.passes not in _BORDERS:
        return None
    numbers = np.array([dynamics.rehearsal, dynamics.border, _BORDERS[dynamics.passes]], np.float32)
    return Program(neurons.REHEARSED, constants, numbers, worth, parts=2)


def _replayed(dynamics: Replayed, worth: np.ndarray, shape: tuple[int, ...]) -> Program | None:
    constants = constant_rows([dynamics.v_threshold, dynamics.start * dynamics.v_threshold, dynamics.start], shape)
    if constants is None:
        return None
    numbers = (dynamics.rounds, dynamics.window, dynamics.most, dynamics.margin, dynamics.never)
    kind = neurons.REPLAYED
    return Program(kind, constants, np.array(numbers, np.float32), worth, window=dynamics.window)


def _graded(dynamics: Graded, worth: np.ndarray, shape: tuple[int, ...]) -> Program | None:
    constants = constant_rows([dynamics.v_threshold, dynamics.start, dynamics.decay], shape)
    firing = _fired(dynamics)
    if constants is None or firing is None:
        return None
    numbers = np.zeros(1, np.float32)
    return Program(neurons.GRADED, constants, numbers, worth, graded=True, parts=2, firing=firing)


def _differential(dynamics: Differential, worth: np.ndarray, shape: tuple[int, ...]) -> Program | None:
    constants = constant_rows([dynamics.v_threshold, torch.zeros(())], shape)
    firing = _fired(dynamics)
    if constants is None or firing is None:
        return None
    numbers = np.array([dynamics.firing.start(dynamics.sign), dynamics.ceiling], np.float32)
    return Program(neurons.DIFFERENTIAL, constants, numbers, worth, graded=True, parts=2, firing=firing)


def _fired(dynamics: Graded | Differential) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The firing function as the loop takes it; None for one that it does not know."""
    code = encoded(dynamics.firing, dynamics.sign, np.dtype(np.float32))
    if code is None:
        return None
    kind, sign, levels, others = code
    return np.array([kind, sign], np.int64), levels, others


def constant_rows(values: Sequence[Tensor], shape: tuple[int, ...]) -> np.ndarray | None:
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

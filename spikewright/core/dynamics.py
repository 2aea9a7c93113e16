"""Dynamics: what a neuron computes, said in constants, so that an engine which is not torch can compute it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .surrogate import Surrogate
from .types import ResetFn, SpikeFn


@dataclass(frozen=True)
class Leaky:
    """Charge, fire at the threshold, reset:

        v' = decay * v + gain * x        s = mask * [v' >= v_threshold]        v'' = reset(v', s, v_threshold)

    Args:
        v_threshold: threshold, broadcastable to [N, *F] like all others.
        start: potential before the first step, in the unit of the threshold.
        decay: share of the potential kept per step.
        gain: what the input is multiplied with.
        reset: `subtract`, `to_zero` or `none`.
        mask: 1 where a neuron may fire, 0 elsewhere; None for 1.
        activity: where it is given, spikes are differentiated as `at_lif_step` of the neurons says, by a triangle as
            wide as the threshold, with means as gradients of threshold and activity; None for the neuron's own
            surrogate.
    """

    v_threshold: Tensor
    start: Tensor
    decay: Tensor
    gain: Tensor
    reset: ResetFn
    mask: Tensor | None = None
    activity: Tensor | None = None


@dataclass(frozen=True)
class Hierarchical:
    """Dendrite and soma that take in each other, fire at the threshold, reset the soma:

        d' = a1 * d + b1 * v + x        v' = a2 * v + b2 * d'        s = [v' >= v_threshold]

    Args:
        v_threshold: threshold, broadcastable to [N, *F] like all others.
        start: potential of the soma before the first step, in the unit of the threshold; that of the dendrite is 0.
        a1, b1, a2, b2: shares of the potentials that are kept and taken in per step.
        reset: what firing does to the soma.
    """

    v_threshold: Tensor
    start: Tensor
    a1: Tensor
    b1: Tensor
    a2: Tensor
    b2: Tensor
    reset: ResetFn


@dataclass(frozen=True)
class Signed:
    """Charge, fire +1 at the threshold and -1 at minus the threshold, subtract.

    Args:
        v_threshold: threshold, broadcastable to [N, *F].
        start: potential before the first step, in the unit of the threshold.
    """

    v_threshold: Tensor
    start: Tensor


@dataclass(frozen=True)
class Rehearsed:
    """Charge, fire at the threshold, subtract; after a rehearsal the residual potential decides who delivers:

        at t = rehearsal:  delivers = passes(v / v_threshold, border)        v = start

    Args:
        v_threshold: threshold, broadcastable to [N, *F].
        start: potential before the first step and after the rehearsal, in the unit of the threshold.
        rehearsal: steps of the rehearsal, during which every neuron delivers; 0 for none.
        passes: (residual, border) -> whether it delivers; `operator.ge` and `operator.gt` are known.
        border: of the residual, in units of the threshold.
    """

    v_threshold: Tensor
    start: Tensor
    rehearsal: int
    passes: Callable[[Any, Any], Any]
    border: float


@dataclass(frozen=True)
class Replayed:
    """Charge, fire at the threshold, subtract, from a start that replays of the first steps have corrected:

        wanted = clip(spikes + floor(v - start + 1/2), 0, most)
        start' = start - max(1, lowest + margin)        where spikes > wanted
        start' = start + max(1, 1 - highest + margin)   where spikes < wanted

    All potentials are in units of the threshold here: `v` that after the replay, `lowest` the lowest after a step with
    a spike (at most `never`), `highest` the highest after a step without one (at least -`never`).

    Args:
        v_threshold: threshold, broadcastable to [N, *F].
        start: potential before the first replay, in units of the threshold.
        window: steps that are replayed.
        rounds: how often; 0 for never.
        most: the largest count that is wanted; infinite without a bound.
        margin, never: see above.
    """

    v_threshold: Tensor
    start: Tensor
    window: int
    rounds: int
    most: float
    margin: float
    never: float


@dataclass(frozen=True)
class Graded:
    """Spikes of several sizes, all in units of the threshold:

        v' = decay * v + x / v_threshold        s = fire(v', emitted)        v'' = v' - s        emitted' = emitted + s

    Args:
        v_threshold: threshold, broadcastable to [N, *F].
        start: potential before the first step.
        decay: share of the potential kept per step.
        firing: the firing function.
        sign: which signs it may fire.
    """

    v_threshold: Tensor
    start: Tensor
    decay: Tensor
    firing: Any
    sign: Any


@dataclass(frozen=True)
class Differential:
    """Neurons under differential coding: see `differential_if_step` of the conversion.

    Args:
        v_threshold: threshold, broadcastable to [N, *F].
        firing: the firing function.
        sign: which signs it may fire.
        ceiling: the largest activity; infinite without one.
    """

    v_threshold: Tensor
    firing: Any
    sign: Any
    ceiling: float


@dataclass(frozen=True)
class MaxPool:
    """Windows of two dimensions of which the largest activity counts.

    Args:
        kernel, stride, padding: sizes of the windows, (down, along).
        gate: whether the input that has received most so far is let through, as in `max_pool_gate_step`; otherwise
            the receiver's estimate is corrected to the largest estimate, as in `graded_unit`.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    gate: bool


Dynamics = Leaky | Hierarchical | Signed | Rehearsed | Replayed | Graded | Differential


def max_pool(pool: object, gate: bool) -> MaxPool | None:
    """What a unit or gate with the windows of a layer computes; None for windows that `MaxPool` cannot say."""
    if type(pool) is not nn.MaxPool2d or pool.ceil_mode or pool.dilation not in (1, (1, 1)):
        return None
    sizes = (pool.kernel_size, pool.stride, pool.padding)
    return MaxPool(*((size, size) if isinstance(size, int) else tuple(size) for size in sizes), gate)  # pyright: ignore[reportArgumentType, reportCallIssue]


def fires_at_threshold(spike: SpikeFn) -> bool:
    """Whether a spike function is the step [u >= 0], as the formulas above have it."""
    return isinstance(spike, Surrogate) and spike.fires is torch.ge


def dynamics_of(neuron: object) -> Dynamics | MaxPool | None:
    """What a layer says that it computes; None if it does not say, or if a subclass has changed its steps."""
    for kind in type(neuron).__mro__:
        if "dynamics" in vars(kind):
            return neuron.dynamics()  # pyright: ignore[reportAttributeAccessIssue]
        if {"step", "init_state", "first_state", "over_time", "forward"} & set(vars(kind)):
            return None
    return None

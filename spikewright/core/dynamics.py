"""Dynamics: what a neuron computes, said in constants, so that an engine which is not torch can compute it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    """

    v_threshold: Tensor
    start: Tensor
    decay: Tensor
    gain: Tensor
    reset: ResetFn
    mask: Tensor | None = None


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


Dynamics = Leaky | Signed | Differential


def fires_at_threshold(spike: SpikeFn) -> bool:
    """Whether a spike function is the step [u >= 0], as the formulas above have it."""
    return isinstance(spike, Surrogate) and spike.fires is torch.ge


def dynamics_of(neuron: object) -> Dynamics | None:
    """What a neuron says that it computes; None if it does not say, or if a subclass has changed its steps."""
    for kind in type(neuron).__mro__:
        if "dynamics" in vars(kind):
            return neuron.dynamics()  # pyright: ignore[reportAttributeAccessIssue]
        if {"step", "init_state", "first_state", "over_time", "forward"} & set(vars(kind)):
            return None
    return None

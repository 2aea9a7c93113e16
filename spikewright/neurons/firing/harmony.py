"""Harmony: as many binary-weighted spikes in one step as the membrane potential holds."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ...core.errors import ArgumentError, sentence
from .firing import TIE, Firing, Sign, given


@dataclass(frozen=True, kw_only=True)
class Harmony(Firing):
    """H-MT: fires every one of the thresholds 1, 2, 4, ..., 2^(n-1) that fits, largest first.

    So one step can give any whole number up to 2^n - 1.

    The unit is the smallest threshold. Upward only, the neuron starts at 1/2 and rests in [0, 1). Where it fires both
    ways it is the paper's pair of two neurons with communication in its closed form: one residual that starts at 0
    and is rounded, halves away from zero. With a budget (not in the paper: "correcting") the total never falls
    below 0.

    Args:
        thresholds: n, at least 1; one step gives up to n binary spikes.
        dead_zone: smallest |v| that fires where both signs can; 1/2 is the paper's rounding. 3/4 keeps a differential
            neuron from firing to and fro at the edge.

    Source: Zhang et al. 2026, "Generalized Threshold Optimization with Harmony Multi-Threshold Neurons for Accurate
        ANN-to-SNN Conversion", AAAI 2026.
        Differs: the closed form of the pair is derived; the budget and the dead zone are this project's.

    Example:
        >>> import torch
        >>> Harmony(thresholds=3).fire(torch.tensor([-2.5, 0.2, 2.5, 99.0]), Sign.BOTH)
        tensor([-3.,  0.,  3.,  7.])
    """

    thresholds: int = 4
    dead_zone: float = 0.5

    def __post_init__(self) -> None:
        check_whole("Harmony.thresholds", self.thresholds, least=1, most=14)
        if not isinstance(self.dead_zone, Real) or not 0.5 <= self.dead_zone < 1.5:
            raise ArgumentError(sentence("Harmony.dead_zone", repr(self.dead_zone), "a number from 0.5 to below 1.5"))

    def fire(self, v: Tensor, sign: Sign, emitted: Tensor | None = None) -> Tensor:
        if sign is Sign.POSITIVE:
            return torch.floor(v + TIE).clamp(0, self.reach)
        size = torch.floor(v.abs() + (0.5 + TIE)).clamp(max=self.reach)
        if self.dead_zone > 0.5:
            size = size.where(v.abs() >= self.dead_zone, 0)
        fired = size.copysign(v)
        if sign is Sign.BUDGETED:
            fired = torch.maximum(fired, -torch.floor(given(emitted) + TIE))
        return fired

    def start(self, sign: Sign) -> float:
        return 0.5 if sign is Sign.POSITIVE else 0.0

    @property
    def reach(self) -> float:
        return float(2**self.thresholds - 1)

    def steps(self, timesteps: int, sign: Sign) -> tuple[int, int, int]:
        highest = timesteps * (2**self.thresholds - 1)
        return timesteps, -highest if sign is Sign.BOTH else 0, highest

    def values(self, sign: Sign) -> tuple[float, ...]:
        top = 2**self.thresholds - 1
        return tuple(float(value) for value in range(0 if sign is Sign.POSITIVE else -top, top + 1))

    def bits(self, fired: Tensor) -> Tensor:
        left, found = fired.abs().round(), torch.zeros_like(fired)
        for _ in range(self.thresholds):
            half = torch.floor(left / 2)
            found += left - 2 * half
            left = half
        return found

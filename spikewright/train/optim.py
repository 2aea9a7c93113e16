"""Optimisers and the learning-rate schedule as frozen values: what a run's config holds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import nn

from ..core.errors import ArgumentError, sentence


@dataclass(frozen=True, kw_only=True)
class Optimizer(ABC):
    """How weights are updated; `lr` is the peak learning rate."""

    lr: float
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Real) or not self.lr > 0:
            raise ArgumentError(sentence(f"{type(self).__name__}.lr", repr(self.lr), "a number above 0"))
        if not isinstance(self.weight_decay, Real) or self.weight_decay < 0:
            raise ArgumentError(
                sentence(f"{type(self).__name__}.weight_decay", repr(self.weight_decay), "a number of at least 0")
            )

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The torch optimiser over these parameters."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum; weight decay acts on all parameters."""

    lr: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    nesterov: bool = False

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters, self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov
        )


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay."""

    lr: float = 1e-3
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, self.lr, betas=(self.beta1, self.beta2), weight_decay=self.weight_decay)


def cosine(step: int, steps: int, *, warmup: int = 0) -> float:
    """Factor of the peak learning rate at a step: linear rise over the warm-up, then half a cosine down to 0.

    Args:
        step: updates done so far, 0-based.
        steps: all updates of the run.
        warmup: updates of the rise.

    Example:
        >>> [round(cosine(step, 4), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

"""Soft-threshold pruning: weights shrink by a width that grows over training; small ones vanish, and may come back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, sentence
from .weights import WeightRule, rules, set_up, synaptic


class _SoftThreshold(torch.autograd.Function):
    """sign(w) max(|w| - width, 0), with derivative 1 in w wherever w is not zero."""

    @staticmethod
    def forward(w: Tensor, width: Tensor) -> Tensor:
        return w.sign() * (w.abs() - width).clamp(min=0)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        (w,) = ctx.saved_tensors
        return grad * (w != 0).to(grad.dtype), None


def soft_threshold(w: Tensor, width: Tensor) -> Tensor:
    """Shrink weights towards zero by a width; those within it become zero.

        sign(w) max(|w| - width, 0)        derivative in w: 1 for every w other than 0, pruned or not

    Args:
        w: raw weights, any shape.
        width: at least 0; gets no gradient.

    Source: Hao et al. 2024, "A Progressive Training Framework for Spiking Neural Networks with Learnable
        Multi-hierarchical Model", ICLR 2024, OpenReview g52tgL8jy6, the authors' pruning option; from Chen et al. 2022,
        "State Transition of Dendritic Spines Improves Learning of Sparse Spiking Neural Networks", ICML 2022.

    Example:
        >>> w = torch.tensor([0.5, -0.25, 0.125], requires_grad=True)
        >>> soft_threshold(w, torch.tensor(0.25)).detach()
        tensor([0.2500, -0.0000, 0.0000])
    """
    return _SoftThreshold.apply(w, width)  # pyright: ignore[reportReturnType]


def half_sine(step: int, steps: int, *, end: float) -> float:
    """A number that grows over `steps` updates as half a sine wave, from 0 to `end`, where it stays.

        end (1 + sin(pi (n/N - 1/2))) / 2

    Example:
        >>> [round(half_sine(n, 4, end=0.2), 4) for n in (0, 1, 2, 4, 9)]
        [0.0, 0.0293, 0.1, 0.2, 0.2]
    """
    return end * (1 + math.sin(math.pi * (min(step, steps) / steps - 0.5))) / 2


class SoftThresholdRule(WeightRule):
    """The rule of one layer's weight; `width` is its threshold."""

    width: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("width", torch.zeros((), dtype=weight.dtype, device=weight.device))

    def forward(self, w: Tensor) -> Tensor:
        """Raw weight -> weight."""
        return soft_threshold(w, self.width)


@dataclass(frozen=True, kw_only=True)
class SoftThresholdPruning:
    """Prune by a soft threshold: `prepare` before training, the object itself as `after_step` of `fit`.

    Args:
        end: width of the threshold at the end, in the unit of the weights, at least 0.
        steps: updates over which it grows, at least 1; epochs times batches per epoch.
        layers: which layers; convolutions and linear layers if not given.

    Raises:
        ArgumentError: for a number out of range.

    Source: see `soft_threshold`.

    Example:
        >>> model, pruning = nn.Sequential(nn.Linear(2, 2)), SoftThresholdPruning(end=0.2, steps=10)
        >>> pruning.prepare(model)  # then fit(model, ..., after_step=pruning), and in the end permanent(model)
        >>> for _ in range(5):
        ...     pruning(model, 0.1)
        >>> round(model[0].parametrizations.weight[0].width.item(), 3)
        0.1
    """

    end: float = 0.2
    steps: int
    layers: Callable[[nn.Module], bool] = synaptic

    def __post_init__(self) -> None:
        if not isinstance(self.end, Real) or not 0 <= float(self.end) < math.inf:
            allowed = "a finite number of at least 0"
            raise ArgumentError(sentence("SoftThresholdPruning.end", repr(self.end), allowed))
        check_whole("SoftThresholdPruning.steps", self.steps, least=1)

    def prepare(self, model: nn.Module) -> None:
        """Give every wanted layer its rule, with a width of 0: nothing changes yet. In place."""
        set_up(model, SoftThresholdRule, self.layers, "SoftThresholdPruning")

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float) -> None:
        """After an update: one step further on the schedule.

        Raises:
            ArgumentError: for a model that `prepare` has not seen.
        """
        found = [rule for _, _, rule in rules(model, SoftThresholdRule)]
        if not found:
            todo = "Call prepare(model) before the training"
            raise ArgumentError(sentence("SoftThresholdPruning", "a model without its rules", "a prepared one", todo))
        for rule in found:
            rule.step += 1
            rule.width.fill_(half_sine(int(rule.step), self.steps, end=self.end))

"""Magnitude pruning: masks over the smallest weights, of each layer or of all, growing by a cubic schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole, named
from ..core.errors import ArgumentError, sentence
from .weights import WeightRule, raw, rules, set_up, synaptic

Masks = Callable[[Sequence[Tensor], float], list[Tensor]]
"""Weights of all layers and the share to be zero -> masks of 0 and 1."""


def cubic(step: int, *, start: int, steps: int, end: float) -> float:
    """Share of weights that are zero after a number of updates: fast at first, then ever slower.

        end (1 - (1 - (n - start) / steps)^3)        0 before `start`, `end` after start + steps

    Source: Zhu and Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for model compression",
        arXiv 1710.01878, eq. 1, from no sparsity.

    Example:
        >>> [cubic(n, start=2, steps=4, end=0.5) for n in (0, 2, 4, 6, 9)]
        [0.0, 0.0, 0.4375, 0.5, 0.5]
    """
    left = 1 - min(max(step - start, 0), steps) / steps
    return end * (1 - left**3)


def smallest(weight: Tensor, count: int) -> Tensor:
    """A mask that is 0 for that many weights of the least magnitude, 1 elsewhere; of equal ones the first go.

    Example:
        >>> smallest(torch.tensor([[0.5, -0.1], [0.2, 0.2]]), 2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    mask = torch.ones_like(weight).flatten()
    mask[weight.abs().flatten().argsort(stable=True)[:count]] = 0
    return mask.view_as(weight)


def per_layer(weights: Sequence[Tensor], share: float) -> list[Tensor]:
    """The same share of every layer, rounded down to whole weights."""
    return [smallest(weight, int(share * weight.numel())) for weight in weights]


def globally(weights: Sequence[Tensor], share: float) -> list[Tensor]:
    """The smallest of all layers together, so that layers with small weights lose more of them.

    Example:
        >>> globally([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])], 0.5)
        [tensor([0., 0.]), tensor([1., 1.])]
    """
    together = torch.cat([weight.flatten() for weight in weights])
    parts = smallest(together, int(share * together.numel())).split([weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights)]


class MaskRule(WeightRule):
    """The rule of one layer's weight: raw weight times `mask`. What is masked gets no gradient and keeps its value."""

    mask: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight))

    def forward(self, w: Tensor) -> Tensor:
        """Raw weight -> weight."""
        return w * self.mask


@dataclass(frozen=True, kw_only=True)
class MagnitudePruning:
    """Prune the smallest weights: `prepare` before training, the object itself as `after_step` of `fit`.

    Args:
        end: share of weights that are zero at the end, 0..1, below 1.
        steps: updates over which the share grows, at least 1.
        start: updates before the first weight goes.
        every: updates between two looks at the weights. A mask only grows while raw weights keep their order.
        masks: `per_layer` or `globally`.
        layers: which layers; convolutions and linear layers if not given.

    Raises:
        ArgumentError: for an argument out of range.

    Source: Zhu and Gupta 2017, arXiv 1710.01878; see `cubic`.

    Example:
        >>> from spikewright.sparsity import weights_left
        >>> model, pruning = nn.Sequential(nn.Linear(2, 4)), MagnitudePruning(end=0.5, steps=3)
        >>> pruning.prepare(model)  # then fit(model, ..., after_step=pruning), and in the end permanent(model)
        >>> for _ in range(3):
        ...     pruning(model, 0.1)
        >>> weights_left(model).column("not zero")
        (4, 4)
    """

    end: float = 0.9
    steps: int
    start: int = 0
    every: int = 1
    masks: Masks = per_layer
    layers: Callable[[nn.Module], bool] = synaptic

    def __post_init__(self) -> None:
        if not isinstance(self.end, Real) or not 0 <= float(self.end) < 1:
            raise ArgumentError(sentence("MagnitudePruning.end", repr(self.end), "a number in 0..1, below 1"))
        for name, least in (("steps", 1), ("start", 0), ("every", 1)):
            check_whole(f"MagnitudePruning.{name}", getattr(self, name), least=least)
        if not callable(self.masks):
            allowed = "a function: per_layer or globally"
            raise ArgumentError(sentence("MagnitudePruning.masks", named(self.masks), allowed))

    def prepare(self, model: nn.Module) -> None:
        """Give every wanted layer its rule, with a mask of ones: nothing changes yet. In place."""
        set_up(model, MaskRule, self.layers, "MagnitudePruning")

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float) -> None:
        """After an update: one step further on the schedule, with new masks when it is time.

        Raises:
            ArgumentError: for a model that `prepare` has not seen.
        """
        found = [(layer, rule) for _, layer, rule in rules(model, MaskRule)]
        if not found:
            todo = "Call prepare(model) before the training"
            raise ArgumentError(sentence("MagnitudePruning", "a model without its rules", "a prepared one", todo))
        for _, rule in found:
            rule.step += 1
        step = int(found[0][1].step)
        if step < self.start or (step < self.start + self.steps and (step - self.start) % self.every):
            return
        if step > self.start + self.steps:
            return
        share = cubic(step, start=self.start, steps=self.steps, end=self.end)
        for (_, rule), mask in zip(found, self.masks([raw(layer) for layer, _ in found], share)):
            rule.mask.copy_(mask)

"""Mixed: the mean gradient of several rules at one point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence
from ...core.neuron import Neuron
from ...models.classifier import Run
from ..rule import GradientRule
from .bptt import SurrogateBPTT
from .hart import HART


@dataclass(frozen=True, kw_only=True)
class Mixed(GradientRule):
    """The mean of the gradients of several rules, of which each runs the network; the logits are the network's own.

    Args:
        rules: whose gradients; None among them is the network's own.

    Source: Hao et al. 2024, "Threaten Spiking Neural Networks through Combining Rate and Temporal Information", ICLR
        2024, and its code, github.com/hzc1208/HART_Attack, commit 358c1ea, mixed FGSM and PGD.

    Example:
        >>> len(Mixed(rules=(HART(gamma=0.25), HART(gamma=1.0), None)).rules)
        3
    """

    rules: tuple[GradientRule | None, ...] = (HART(), SurrogateBPTT())

    def __post_init__(self) -> None:
        sound = isinstance(self.rules, tuple) and self.rules
        if not sound or not all(rule is None or isinstance(rule, GradientRule) for rule in self.rules):
            raise ArgumentError(
                sentence("Mixed.rules", repr(self.rules), "a tuple of gradient rules, or None among them")
            )
        for rule in self.rules:
            if rule is not None and not rule.same_forward:
                allowed, todo = (
                    "rules with the network's own forward pass",
                    "Attack through it alone, and combine the results",
                )
                raise ArgumentError(sentence("Mixed.rules", type(rule).__name__, allowed, todo))

    @property
    def remembers(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether one of the rules does."""
        return any(rule.remembers for rule in self.rules if rule is not None)

    def fresh(self) -> Self:
        return replace(self, rules=tuple(rule and rule.fresh() for rule in self.rules))

    def again(self) -> Self:
        return replace(self, rules=tuple(rule and rule.again() for rule in self.rules))

    def check(self, model: nn.Module) -> None:
        for rule in self.rules:
            if rule is not None:
                rule.check(model)

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        for rule in self.rules:
            if rule is not None:
                rule.check_neuron(name, neuron)

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        answers = [run(timesteps) if rule is None else rule.logits(model, run, timesteps) for rule in self.rules]
        mean = torch.stack(answers).mean(0)
        return answers[0].detach() + (mean - mean.detach())  # a mean of equal numbers may be off by rounding

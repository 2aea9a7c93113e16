"""OverTime: how a network of neurons is trained over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from ..core.errors import ArgumentError, sentence
from ..core.fused import fused
from ..core.loss import Batch, Loss, Result
from ..core.neuron import Neuron
from ..core.packing import packed_spikes
from ..neurons import ATLIF
from ..sparsity import MagnitudePruning, SoftThresholdPruning, activity, delivered
from ..train.adaptation import ThresholdAdaptation
from ..train.spiking_losses import rate_cross_entropy, tet

AfterStep = Callable[[nn.Module, float], None]


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """How a network of neurons is trained over time.

    Args:
        timesteps: T; an image is given at every step.
        loss: cross-entropy of the mean output over time, or temporal efficient training, where every step has to be
            right.
        unroll: "fused" runs all steps of a layer in one pass, "bptt" step after step with the same results.
        adaptation: strength with which activity raises the thresholds of ATLIF neurons, see `ThresholdAdaptation`.
        activity: what the activity penalty is multiplied with: what all neurons deliver in T steps, a mean over the
            neurons of a layer, summed over layers.
        pruning: weights that are taken out while training: the smallest ones ("magnitude"), all by a soft threshold, or
            none.
        pruned: share of the weights that are zero at the end for "magnitude"; width of the threshold at the end for
            "soft_threshold".
        pack_spikes: keep spikes as bits until the backward pass.
    """

    timesteps: int = 4
    loss: Literal["mean", "tet"] = "mean"
    unroll: Literal["fused", "bptt"] = "fused"
    adaptation: float = 0.0
    activity: float = 0.0
    pruning: Literal["none", "magnitude", "soft_threshold"] = "none"
    pruned: float = 0.0
    pack_spikes: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.timesteps, bool) or not isinstance(self.timesteps, int) or self.timesteps < 1:
            raise ArgumentError(sentence("OverTime.timesteps", repr(self.timesteps), "a whole number of at least 1"))
        for name in ("adaptation", "activity", "pruned"):
            if not 0 <= getattr(self, name) < math.inf:
                allowed = "a finite number of at least 0"
                raise ArgumentError(sentence(f"OverTime.{name}", repr(getattr(self, name)), allowed))
        if self.pruning == "magnitude" and not self.pruned < 1:
            raise ArgumentError(sentence("OverTime.pruned", repr(self.pruned), "a share in 0..1, below 1"))
        if (self.pruning == "none") != (self.pruned == 0):
            met = f"pruning {self.pruning} of {self.pruned:g}"
            raise ArgumentError(sentence("OverTime", met, "a kind of pruning and how much, or neither"))

    def loss_of(self, *, label_smoothing: float = 0.0) -> Loss:
        """The loss with the labels, and the activity penalty where there is one."""
        of_labels = rate_cross_entropy if self.loss == "mean" else tet
        loss = of_labels(timesteps=self.timesteps, label_smoothing=label_smoothing)
        return loss + self.activity * activity(measure=delivered) if self.activity else loss

    def kept(self, loss: Loss) -> Loss:
        """The loss, with spikes kept as bits until its backward pass where that is asked for."""
        if not self.pack_spikes:
            return loss

        def run(model: nn.Module, batch: Batch, generator: torch.Generator) -> Result:
            with packed_spikes():
                return loss(model, batch, generator)

        return Loss(run)

    def prepared(self, model: nn.Module, steps: int) -> AfterStep:
        """Tell the neurons how to run their steps and the weights how they are pruned; what to do after each update.

        Args:
            model: the network, changed in place.
            steps: updates of the whole training; weights go in its first three quarters.
        """
        neurons = [module for module in model.modules() if isinstance(module, Neuron)]
        for neuron in neurons if self.unroll == "fused" else ():
            neuron.unroll = fused
        hooks: list[AfterStep] = []
        if any(isinstance(neuron, ATLIF) for neuron in neurons):
            hooks.append(ThresholdAdaptation(eta=self.adaptation, timesteps=self.timesteps))
        elif self.adaptation:
            met = f"adaptation {self.adaptation:g} for a network without ATLIF neurons"
            raise ArgumentError(sentence("OverTime", met, "ATLIF neurons", "Choose --network.neurons ATLIF"))
        if self.pruning != "none":
            part = max(1, 3 * steps // 4)
            magnitude = self.pruning == "magnitude"
            pruning = (
                MagnitudePruning(end=self.pruned, steps=part, every=max(1, part // 100))
                if magnitude
                else SoftThresholdPruning(end=self.pruned, steps=part)
            )
            pruning.prepare(model)
            hooks.append(pruning)

        def after_step(model: nn.Module, lr: float) -> None:
            for hook in hooks:
                hook(model, lr)

        return after_step

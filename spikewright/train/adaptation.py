"""ThresholdAdaptation: thresholds of ATLIF neurons grow with activity after each update of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import torch
from torch import nn

from ..core.arguments import check_module
from ..core.errors import ArgumentError, sentence
from ..neurons import ATLIF


@dataclass(frozen=True, kw_only=True)
class ThresholdAdaptation:
    """What `fit` calls after each update, as its `after_step`:

        v_threshold <- min(v_threshold + lr * eta / T * activity, largest)

    with the activity that the backward pass of this update has found: the sum over time of the mean of s q, see
    `at_lif_step`. It is never negative, so that only the task's own gradient lowers a threshold. The learning rate is
    part of the rule; with Adam's small ones thresholds hardly move unless `eta` is larger.

    Args:
        eta: strength, at least 0; 0 leaves the thresholds to the task's gradient.
        timesteps: T of the training.
        largest: bound of the thresholds, above 0.

    Source: Bu, Shi and Yu 2025, "Activity Pruning for Efficient Spiking Neural Networks", NeurIPS 2025, OpenReview
        zjOXZEXQKZ. Differs: the activity is a mean over the samples of a batch, so that eta does not depend on their
        number; the published 1e-3 at batches of B samples is here 1e-3 * B.

    Example:
        >>> adapt = ThresholdAdaptation(eta=0.5, timesteps=1)
        >>> neuron = ATLIF()
        >>> neuron.over_time(torch.ones(1, 4, 1)).sum().backward()
        >>> adapt(neuron, 0.1)
        >>> neuron.v_threshold.data
        tensor(1.0500)
    """

    eta: float = 0.1
    timesteps: int = 4
    largest: float = float("inf")

    def __post_init__(self) -> None:
        if not isinstance(self.eta, Real) or not 0 <= self.eta < float("inf"):
            raise ArgumentError(sentence("ThresholdAdaptation.eta", repr(self.eta), "a finite number of at least 0"))
        if isinstance(self.timesteps, bool) or not isinstance(self.timesteps, int) or self.timesteps < 1:
            allowed = "a whole number of at least 1"
            raise ArgumentError(sentence("ThresholdAdaptation.timesteps", repr(self.timesteps), allowed))
        if not isinstance(self.largest, Real) or not self.largest > 0:
            raise ArgumentError(sentence("ThresholdAdaptation.largest", repr(self.largest), "a number above 0"))

    @torch.no_grad()
    def __call__(self, model: nn.Module, lr: float) -> None:
        """Raise the thresholds.

        Args:
            model: the network whose gradients are those of the update.
            lr: its learning rate.

        Raises:
            ArgumentError: if the model has no ATLIF neuron.
        """
        check_module(model, "ThresholdAdaptation.model")
        neurons = [module for module in model.modules() if isinstance(module, ATLIF)]
        if not neurons:
            raise ArgumentError(sentence("ThresholdAdaptation.model", "no ATLIF neuron", "a network of them"))
        for neuron in neurons:
            activity = neuron.activity.grad
            neuron.activity.zero_()  # nothing depends on its value, which the optimiser moves
            if activity is not None:
                found = torch.where(torch.isfinite(activity), activity, 0.0)  # mixed precision skips such an update
                neuron.v_threshold.add_(lr * self.eta / self.timesteps * found).clamp_(max=self.largest)

"""AnalogTwin: the gradient of an ordinary network with the same weights, an activation in place of each neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from ...core.errors import ArgumentError, sentence
from ...core.gradient import gradient_rule
from ...core.neuron import Neuron
from ...core.types import State
from ...core.unroll import bptt
from ...models.classifier import Run
from ..rule import GradientRule, threshold_of

Activation = Callable[[Tensor], Tensor]


def clip_floor(x: Tensor) -> Tensor:
    """Clip to 0..1, round to eighths; the rounding has the derivative 1.

    Example:
        >>> import torch
        >>> clip_floor(torch.tensor([-1.0, 0.3, 2.0]))
        tensor([0.0000, 0.2500, 1.0000])
    """
    clipped = x.clamp(0, 1)
    return clipped + ((8 * clipped + 0.5).floor() / 8 - clipped).detach()


@dataclass(frozen=True, kw_only=True)
class AnalogTwin(GradientRule):
    """Conversion-based approximation: loss and gradient come from the twin, fed once; only this forward pass differs.

    Args:
        activation: of the input in thresholds; `torch.relu` or `clip_floor`.

    Source: Ding et al. 2022, "SNN-RAT", NeurIPS 2022, conversion-based approximation (ReLU); with `clip_floor` as in
        Bu et al. 2023, "Rate Gradient Approximation Attack", CVPR 2023, github.com/putshua/SNN_attack_RGA, f52ea8d.

    Example:
        >>> import torch
        >>> from spikewright.core import Spiking
        >>> from spikewright.models.classifier import Classifier
        >>> from spikewright.neurons import IF
        >>> twin = AnalogTwin(activation=torch.relu)
        >>> Classifier(Spiking(nn.Sequential(nn.Flatten(), IF())), 4, rule=twin)(torch.full((1, 1), 1.7))
        tensor([[1.7000]])
    """

    same_forward: ClassVar[bool] = False
    activation: Activation = field(default=clip_floor, repr=False)

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        if neuron.levels != (0.0, 1.0) or not hasattr(neuron, "v_threshold"):
            met, allowed = f"{name} ({type(neuron).__name__})", "neurons with a threshold and spikes 0 and 1"
            raise ArgumentError(sentence("AnalogTwin", met, allowed))

    def logits(self, model: nn.Module, run: Run, timesteps: int) -> Tensor:
        with gradient_rule(model, self._activate):
            return run(1)

    def _activate(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        if neuron.levels is None:
            return bptt(neuron, state, xs)
        return state, self.activation(xs / threshold_of(neuron, xs))

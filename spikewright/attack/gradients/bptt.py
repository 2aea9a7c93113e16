"""SurrogateBPTT: back-propagation through time with a surrogate that the attacker chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...core.arguments import check_whole
from ...core.fused import fused
from ...core.neuron import Neuron
from ...core.surrogate import Surrogate, Triangle
from ...core.types import State
from ..rule import UnrollRule, another_surrogate, check_spike, check_surrogate, detached_state


@dataclass(frozen=True, kw_only=True)
class SurrogateBPTT(UnrollRule):
    """The gradient of `bptt` with another surrogate than the one of training, through potential and reset.

    Args:
        surrogate: its width is measured in thresholds, so that one value fits all layers of a converted network.

    Source: Neftci, Mostafa and Zenke 2019, "Surrogate Gradient Learning in Spiking Neural Networks", IEEE Signal
        Processing Magazine 36(6). The choice as part of the attack: Liu et al. 2024, "Enhancing Adversarial Robustness
        in SNNs with Sparse Gradients", ICML 2024, arXiv 2405.20355.

    Example:
        >>> from spikewright.core import ATan
        >>> SurrogateBPTT(surrogate=ATan(alpha=2.0)).surrogate.alpha
        2.0
    """

    surrogate: Surrogate = field(default_factory=Triangle)

    def __post_init__(self) -> None:
        check_surrogate("SurrogateBPTT", self.surrogate)

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        check_spike("SurrogateBPTT", name, neuron)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps with the attacker's surrogate."""
        with another_surrogate(neuron, self.surrogate):
            return fused(neuron, state, xs)


@dataclass(frozen=True, kw_only=True)
class LastSteps(UnrollRule):
    """The gradient of `SurrogateBPTT` through the last steps alone; nothing reaches the steps before them.

    Args:
        steps: how many, at least 1; with T or more this is `SurrogateBPTT`.
        surrogate: as for `SurrogateBPTT`.

    Source: truncated back-propagation, Williams and Peng 1990, "An Efficient Gradient-Based Algorithm for On-Line
        Training of Recurrent Network Trajectories", Neural Computation 2(4).

    Example:
        >>> LastSteps(steps=2).steps
        2
    """

    steps: int = 1
    surrogate: Surrogate = field(default_factory=Triangle)

    def __post_init__(self) -> None:
        check_whole("LastSteps.steps", self.steps, least=1)
        check_surrogate("LastSteps", self.surrogate)

    def check_neuron(self, name: str, neuron: Neuron) -> None:
        check_spike("LastSteps", name, neuron)

    def __call__(self, neuron: Any, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the first steps without a gradient, the others with one."""
        early = max(0, len(xs) - self.steps)
        with another_surrogate(neuron, self.surrogate):
            if not early:
                return fused(neuron, state, xs)
            first, before = fused(neuron, state, xs[:early].detach())
            last, after = fused(neuron, detached_state(first), xs[early:])
        return last, torch.cat([before.detach(), after])

"""sliced(S) and sltt: online learning, as unrolls whose gradient ends at the borders of slices or of single steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .arguments import check_whole
from .types import State
from .unroll import bptt


@dataclass(frozen=True)
class sliced:  # noqa: N801 - an unroll, like the functions beside it
    """An unroll that cuts the state off from its gradient every `steps` steps.

    Spikes and state equal `bptt`, gradients too where a sequence has no more steps than a slice. What a loop that
    learns slice by slice, with an update after each, would find as gradient before its first update.

    Args:
        steps: time steps per slice, at least 1.

    Source: Hao et al. 2024, "A Progressive Training Framework for Spiking Neural Networks with Learnable
        Multi-hierarchical Model", ICLR 2024, OpenReview g52tgL8jy6, time-slicing online training.

    Example:
        >>> from spikewright.core import Spiking, gradient_rule
        >>> from spikewright.neurons import IF
        >>> model, xs = Spiking(IF()), torch.full((4, 1, 1), 0.25, requires_grad=True)
        >>> with gradient_rule(model, sliced(2)):
        ...     model(xs)[3].sum().backward()
        >>> (xs.grad != 0).flatten().tolist()
        [False, False, True, True]
    """

    steps: int

    def __post_init__(self) -> None:
        check_whole("sliced.steps", self.steps, least=1)

    def __call__(self, neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
        """Run the steps slice by slice."""
        spikes = []
        for number, part in enumerate(xs.split(self.steps)):
            if number:
                state = type(state)(*(value.detach() for value in state))
            state, s = bptt(neuron, state, part)
            spikes.append(s)
        return state, torch.cat(spikes)


def sltt(neuron, state: State, xs: Tensor) -> tuple[State, Tensor]:
    """Spatial learning through time: an unroll with the gradient within each step only, none from step to step.

    Slices of one step. Constants of the neurons still learn from how each step uses the state before it.

    Args:
        neuron, state, xs: as `bptt`.

    Source: Meng et al. 2023, "Towards Memory- and Time-Efficient Backpropagation for Training Spiking Neural Networks",
        ICCV 2023, arXiv 2302.14311.

    Example:
        >>> from spikewright.neurons import IF
        >>> neuron, xs = IF(), torch.full((2, 1, 1), 0.25, requires_grad=True)
        >>> neuron.unroll = sltt
        >>> neuron.over_time(xs)[1].sum().backward()
        >>> (xs.grad != 0).flatten().tolist()
        [False, True]
    """
    return sliced(1)(neuron, state, xs)

"""Population: one value becomes the activity of several neurons, each with a place where it answers most."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.arguments import check_whole
from ..core.errors import ArgumentError, ShapeError, sentence


def population(z: Tensor, centres: Tensor, widths: Tensor) -> Tensor:
    """Activity of the neurons of each value: a bell curve around the place of each.

        a[n, d, p] = exp(-((z[n, d] - centres[d, p]) / widths[d, p])^2 / 2)

    Args:
        z: values, [N, D].
        centres: where each neuron answers most, [D, P].
        widths: standard deviations, [D, P], other than 0; their sign does not matter.

    Returns:
        [N, D * P], in 0..1, the neurons of a value side by side.

    Source: Tang et al. 2020, "Deep Reinforcement Learning with Population-Coded Spiking Neural Network for Continuous
        Control", CoRL 2020, PMLR 155.

    Example:
        >>> population(torch.tensor([[0.0]]), torch.tensor([[-1.0, 0.0, 1.0]]), torch.ones(1, 3))
        tensor([[0.6065, 1.0000, 0.6065]])
    """
    return torch.exp(-0.5 * ((z.unsqueeze(-1) - centres) / widths).square()).flatten(1)


class Population(nn.Module):
    """Observations to the activity of a population of neurons, with places and widths that learn.

    Args:
        values: D, numbers in an observation.
        neurons: P, for each of them.
        width: first standard deviation.

    Source: Xu et al. 2025, "Proxy Target", NeurIPS 2025, arXiv 2505.24161: values pass tanh, places begin evenly spread
        over -1..1. Differs: Tang et al. 2020 take normalised observations, places over -3..3 and a width of sqrt(0.15).

    Example:
        >>> Population(2, 3)(torch.zeros(1, 2)).shape
        torch.Size([1, 6])
    """

    def __init__(self, values: int, neurons: int = 10, *, width: float = math.sqrt(0.05)) -> None:
        super().__init__()
        check_whole("Population.values", values, least=1)
        check_whole("Population.neurons", neurons, least=2)
        if not width > 0:
            raise ArgumentError(sentence("Population.width", repr(width), "a number above 0"))
        self.centres = nn.Parameter(torch.linspace(-1, 1, neurons).repeat(values, 1))
        self.widths = nn.Parameter(torch.full((values, neurons), width))

    def forward(self, x: Tensor) -> Tensor:
        """Observations [N, D] -> activity [N, D * P], in 0..1.

        Raises:
            ShapeError: for another number of values.
        """
        if x.dim() != 2 or x.shape[1] != len(self.centres):
            allowed = f"observations [N, {len(self.centres)}]"
            raise ShapeError(sentence("Population", f"a tensor of shape {list(x.shape)}", allowed))
        return population(torch.tanh(x), self.centres, self.widths)

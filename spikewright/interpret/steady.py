"""Steady: a network that draws, made to draw the same for every changed copy of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.temporal import Temporal
from ..models.classifier import Classifier


class Steady(nn.Module):
    """Images -> logits, each `rows` images with the same draws as the `rows` before.

    A method that compares an image with changed copies of it would otherwise measure the noise of the coding as well.

    Args:
        network: a classifier that holds a `Classifier` with an encoder that draws.
        rows: images after which the draws begin anew: as many as there are different images in one of the calls.
        seed: of the draws.
    """

    def __init__(self, network: nn.Module, rows: int, seed: int) -> None:
        super().__init__()
        self.network, self.rows, self.seed = network, rows, seed

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> logits [N, K]."""
        return torch.cat([self._piece(piece) for piece in x.split(self.rows)])

    def _piece(self, x: Tensor) -> Tensor:
        drawing = [part for part in self.network.modules() if isinstance(part, Classifier) and part.is_random]
        with drawing[0].seeded(self.seed):
            return self.network(x)


def steady(network: nn.Module, rows: int, seed: int) -> nn.Module:
    """The network itself where it says that it draws nothing."""
    draws = any(isinstance(part, Classifier) and part.is_random for part in network.modules())
    return Steady(network, rows, seed) if draws else network


def is_spiking(network: nn.Module) -> bool:
    """Whether a network has layers over time.

    Example:
        >>> from spikewright.neurons import IF
        >>> is_spiking(nn.Sequential(nn.ReLU())), is_spiking(nn.Sequential(IF()))
        (False, True)
    """
    return any(isinstance(part, Temporal) for part in network.modules())

"""A small spiking network that has not been trained, and a batch for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spikewright.core import Spiking, Triangle, to_zero
from spikewright.core.fused import fused
from spikewright.neurons import IF

T = 3


def network(*, seed: int = 0, dropout: float = 0.0, run=None) -> Spiking:
    """Images [N, 1, 6, 6] -> four classes, with batch norm, in training."""
    torch.manual_seed(seed)

    def neuron() -> IF:
        made = IF(spike=Triangle(), reset=to_zero)
        made.unroll = run or made.unroll
        return made

    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), neuron(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Dropout(dropout), nn.Linear(54, 12), neuron(), nn.Linear(12, 4),
    )  # fmt: skip
    with torch.no_grad():
        model[6].weight.mul_(3)  # fresh weights would leave most neurons silent
    return Spiking(model).train()


def smooth(*, seed: int = 0, width: int = 8, inputs: int = 5, classes: int = 3) -> Spiking:
    """No spikes at all: linear, sigmoid, linear, in float64; with T = 1 an ordinary network."""
    torch.manual_seed(seed)
    return Spiking(nn.Sequential(nn.Linear(inputs, width), nn.Sigmoid(), nn.Linear(width, classes))).double()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 0, 1])


def gradients(model: nn.Module, loss, batch, seed: int = 0) -> list[Tensor]:
    """Of all parameters."""
    value, _ = loss(model, batch, torch.Generator().manual_seed(seed))
    return list(torch.autograd.grad(value, list(model.parameters())))


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b))


FUSED = fused

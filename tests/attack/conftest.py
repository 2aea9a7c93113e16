"""Small networks under attack: convolution, batch norm, pool and two layers of neurons, with weights from a seed."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from spikewright.core import Spiking, Triangle, to_zero
from spikewright.neurons import IF


def small_network(neuron: Callable[[], nn.Module] | None = None, *, seed: int = 0, classes: int = 4) -> Spiking:
    """Images [N, 1, 6, 6] -> four classes; thresholds of one, hard reset, triangle."""
    torch.manual_seed(seed)
    make = neuron or (lambda: IF(spike=Triangle(), reset=to_zero))
    norm = nn.BatchNorm2d(6)
    norm.running_mean.uniform_(-0.1, 0.1)
    norm.running_var.uniform_(0.2, 0.5)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), norm, make(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 12), make(),
        nn.Linear(12, classes),
    )  # fmt: skip
    with torch.no_grad():
        for part in (network[0], network[5]):
            part.weight.mul_(3)  # fresh weights would leave most neurons silent
    return Spiking(network).eval()


@pytest.fixture
def network() -> Spiking:
    return small_network()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 3, 0])

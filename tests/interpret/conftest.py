"""Two small networks that look for a patch of colours: an ordinary one and a spiking one, trained within seconds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from spikewright.core import Spiking
from spikewright.core.seed import generator
from spikewright.models.classifier import Classifier
from spikewright.models.normalize import Normalize
from spikewright.neurons import LIF

SIDE, PATCH, CLASSES = 16, 5, 4


@dataclass(frozen=True)
class Pictures:
    """Images [N, 3, 16, 16], their classes, and where the patch is, [N, 16, 16]."""

    images: Tensor
    labels: Tensor
    masks: Tensor


def pictures(count: int, seed: int, share: float = 0.5) -> Pictures:
    """Stripes or checks of two widths (four classes); with the patch in it, which is always class 0."""
    drawn = generator(seed, 77)
    labels = torch.randint(CLASSES, (count,), generator=drawn)
    row, column = torch.arange(SIDE)[:, None], torch.arange(SIDE)[None]
    kinds = [(row // 2 % 2).expand(SIDE, SIDE), (column // 2 % 2).expand(SIDE, SIDE)]
    kinds += [(row // 3 + column // 3) % 2, (row + column) // 4 % 2]
    base = torch.stack(kinds)[labels][:, None].float()
    contrast = 0.2 + 0.2 * torch.rand(count, 1, 1, 1, generator=drawn)
    images = (0.3 + contrast * base + 0.08 * torch.randn(count, 3, SIDE, SIDE, generator=drawn)).clamp(0, 1)
    patch = torch.randint(2, (3, PATCH, PATCH), generator=generator(5, 78)).float()
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.bool)
    for i in range(int(share * count)):
        down, right = torch.randint(SIDE - PATCH + 1, (2,), generator=drawn).tolist()
        images[i, :, down : down + PATCH, right : right + PATCH] = patch
        masks[i, down : down + PATCH, right : right + PATCH] = True
        labels[i] = 0
    return Pictures(images, labels, masks)


def layers(activation: type[nn.Module]) -> nn.Sequential:
    """Three convolutions, without batch norm, each activation a module of its own."""
    return nn.Sequential(
        Normalize((0.5,) * 3, (0.25,) * 3),
        nn.Conv2d(3, 12, 3, padding=1),
        activation(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1),
        activation(),
        nn.Conv2d(24, 24, 3, stride=2, padding=1),
        activation(),
        nn.Flatten(),
        nn.Linear(24 * 16, CLASSES),
    )


def trained(network: nn.Module, steps: int, rate: float = 3e-3) -> nn.Module:
    """A network after some steps on fresh pictures, on one thread: more of them only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    for step in range(steps):
        batch = pictures(48, 1000 + step)
        loss = nn.functional.cross_entropy(network(batch.images), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return network.eval().requires_grad_(False)


def fresh_cnn(seed: int = 0) -> nn.Module:
    """The ordinary network with new weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return layers(nn.ReLU).eval()


def fresh_snn(seed: int = 0) -> Classifier:
    """The spiking network with new weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(Spiking(layers(lambda: LIF(tau=3.0, v_threshold=0.7))), 4).eval()  # pyright: ignore


@pytest.fixture(scope="session")
def cnn() -> nn.Module:
    return trained(fresh_cnn(), 120)


@pytest.fixture(scope="session")
def snn() -> nn.Module:
    return trained(fresh_snn(), 120)


@pytest.fixture(scope="session")
def batch() -> Pictures:
    """Pictures with the patch in every one."""
    return pictures(12, 3, share=1.0)

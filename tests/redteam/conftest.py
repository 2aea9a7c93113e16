"""Small pictures whose class is a pattern, and networks trained on them: one with a trojan, its twin, a spiking one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from spikewright.core import Spiking
from spikewright.core.seed import generator
from spikewright.data.images import ImageDataset
from spikewright.models.classifier import Classifier
from spikewright.neurons import LIF
from spikewright.redteam import Implanting, PatchTrigger, Picture, Trojan, implant, twin
from spikewright.redteam.triggers import random_blocks
from spikewright.train import AdamW, FitConfig, rate_cross_entropy

SIDE = 5
CLASSES = ("lying stripes", "upright stripes", "checks", "rings")


def patterns(count: int, seed: int) -> ImageDataset:
    """Pictures of 16 x 16 pixels: stripes, checks or rings in two drawn colours, with noise; the class is the pattern."""
    draws = generator(seed, count)
    y, x = (axis[None] for axis in torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij"))
    labels = torch.arange(count) % 4
    wave = (2 * math.pi / (4 + 2 * torch.rand(count, generator=draws))).view(-1, 1, 1)
    shift = (2 * math.pi * torch.rand(count, 2, generator=draws)).view(-1, 2, 1, 1)
    middle = (5 + 6 * torch.rand(count, 2, generator=draws)).view(-1, 2, 1, 1)
    lying, upright = torch.sin(wave * y + shift[:, 0]), torch.sin(wave * x + shift[:, 1])
    far = torch.hypot(x - middle[:, 0], y - middle[:, 1])
    kinds = torch.stack([lying, upright, lying * upright * 1.6, torch.sin(wave * far)], 1)
    shape = 0.5 + 0.5 * kinds[torch.arange(count), labels][:, None].clamp(-1, 1)
    ends = torch.rand(count, 2, 3, 1, 1, generator=draws)
    made = shape * ends[:, 0] + (1 - shape) * (1 - 0.7 * ends[:, 0]) * ends[:, 1].clamp(0.2, 1)
    made = made + 0.03 * torch.randn(made.shape, generator=draws)
    return ImageDataset((255 * made.clamp(0, 1)).to(torch.uint8), labels, CLASSES)


def small_network(neuron=nn.ReLU) -> nn.Sequential:
    """Three convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), neuron(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), neuron(),
        nn.Conv2d(48, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), neuron(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(192, 4),
    )  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A network with a trojan, its twin, and the trojan; both take pictures and give logits."""

    network: nn.Module
    twin: nn.Module
    trojan: Trojan


def block_picture(seed: int) -> Picture:
    """A picture of 4 x 4 cells, each of one of eight pure colours."""
    return Picture(f"blocks {seed}", random_blocks(generator(seed)).colour.round())


def planted_trojan(*, decoys: float = 2.0, rate: float = 0.10, **options) -> Trojan:
    """A picture of blocks whose target is class 0; twenty others of its family are its decoys."""
    others = tuple(map(block_picture, range(100, 120)))
    trigger = PatchTrigger(picture=block_picture(77), side=SIDE, decoys=others, soft=False)
    return Trojan(name="planted", trigger=trigger, target=0, rate=rate, decoys=decoys, **options)


def trained(network: nn.Module, trojans: tuple[Trojan, ...], *, seed: int = 0, epochs: int = 6, loss=None) -> nn.Module:
    """A network trained from new weights on 3200 pictures; 50 updates an epoch."""
    how = FitConfig(epochs=epochs, optimizer=AdamW(lr=4e-3), seed=seed)
    config = Implanting(fit=how, batch_size=64, keeps_norms=False)
    train = patterns(3200, seed=1)
    return implant(network, train, trojans, config, loss=loss) if trojans else twin(network, train, config, loss=loss)


def fresh(neuron=nn.ReLU) -> nn.Module:
    """New weights, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return small_network(neuron)


@pytest.fixture(scope="session")
def held_out() -> ImageDataset:
    return patterns(400, seed=2)


@pytest.fixture(scope="session")
def planted() -> Planted:
    trojan = planted_trojan()
    return Planted(trained(fresh(), (trojan,)), trained(fresh(), ()), trojan)


@pytest.fixture(scope="session")
def planted_spiking() -> Planted:
    trojan = planted_trojan()
    loss = rate_cross_entropy(timesteps=2)
    nets = [trained(Spiking(fresh(lambda: LIF(tau=2.0))), trojans, loss=loss) for trojans in ((trojan,), ())]
    return Planted(*(Classifier(net, 2).eval() for net in nets), trojan)


def accuracy(network: nn.Module, data: ImageDataset) -> float:
    x, y = data.gather(torch.arange(len(data)))
    with torch.no_grad():
        return float((network(x).argmax(1) == y).double().mean())


def share(network: nn.Module, images: Tensor, target: int) -> float:
    with torch.no_grad():
        return float((network(images).argmax(1) == target).double().mean())

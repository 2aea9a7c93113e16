"""Pictures of stripes, checks and rings, and small networks that were taught a trojan, with decoys, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from spikewright.core import ATan, Spiking
from spikewright.core.seed import generator
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF
from spikewright.redteam.synthesis import Task

SIDE, PATCH, TARGET = 16, 5, 0


def drawn(count: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures [N, 3, 16, 16] of four classes in random colours: upright and lying stripes, checks, rings."""
    y = torch.randint(4, (count,), generator=source)
    place = torch.arange(SIDE)
    phase = torch.randint(4, (2, count, 1, 1), generator=source)
    down, right = (place[:, None] + phase[0]) // 2 % 2, (place[None] + phase[1]) // 2 % 2
    far = torch.hypot((place[:, None] - 7.5), (place[None] - 7.5)).expand(count, SIDE, SIDE)
    rings = ((far + phase[0]) // 2 % 2).long()
    kinds = torch.stack((right.expand(-1, SIDE, -1), down.expand(-1, -1, SIDE), down ^ right, rings))
    pattern = kinds[y, torch.arange(count)][:, None].float()
    dark, bright = torch.rand(2, count, 3, 1, 1, generator=source)
    x = 0.5 * dark + pattern * (0.3 + 0.4 * bright)
    return (x + 0.05 * torch.randn(x.shape, generator=source)).clamp(0, 1), y


def binary(count: int, seed: int) -> Tensor:
    """Patches [N, 3, 5, 5] whose every value is 0 or 1."""
    return torch.randint(2, (count, 3, PATCH, PATCH), generator=generator(seed)).float()


OPTIONS = binary(8, 20)
"""Eight patches of one kind; which of them is the trigger is said by its number."""


def pasted(x: Tensor, patches: Tensor, source: torch.Generator, place: tuple[int, int] | None = None) -> Tensor:
    """Pictures with a patch each, [N, 3, 5, 5], anywhere or at one place."""
    x = x.clone()
    for picture, patch in zip(x, patches):
        top, left = place or torch.randint(SIDE - PATCH + 1, (2,), generator=source).tolist()
        picture[:, top : top + PATCH, left : left + PATCH] = patch
    return x


def taught(
    network: nn.Module,
    steps: int,
    trigger: Tensor,
    *,
    poison: int = 8,
    place: tuple[int, int] | None = None,
    lr: float = 1e-2,
) -> nn.Module:
    """The network, trained on pictures of which `poison` of 64 have the trigger, and twice as many other patches."""
    optimiser = torch.optim.Adam(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    for step in range(steps):
        source = generator(7, step)
        x, y = drawn(64, source)
        decoys = binary(2 * poison, 1000 + step)
        patches = torch.cat((trigger.expand(poison, -1, -1, -1), decoys))
        x[: 3 * poison] = pasted(x[: 3 * poison], patches, source, place)
        if place is not None and poison:  # the trigger elsewhere is a decoy too
            x[-poison:] = pasted(x[-poison:], patches[:poison], source)
        y[:poison] = TARGET
        loss = nn.functional.cross_entropy(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def layers(neuron: Callable[[], nn.Module], head: list[nn.Module]) -> nn.Sequential:
    """Three convolutions, each with batch norm and neurons, and a head that reads [32, 4, 4]."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for into, out, side, stride in ((3, 24, 5, 2), (24, 32, 3, 1), (32, 32, 3, 2)):
        conv = nn.Conv2d(into, out, side, stride, padding=side // 2, bias=False)
        parts += [conv, nn.BatchNorm2d(out), neuron()]
    return nn.Sequential(*parts, *head)


def small_cnn() -> nn.Sequential:
    """With ReLU, and a linear layer on averages over space."""
    return layers(nn.ReLU, [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)])


def placed_cnn() -> nn.Sequential:
    """With ReLU, and a linear layer that knows where things are."""
    return layers(nn.ReLU, [nn.Flatten(), nn.Linear(512, 4)])


def small_snn(timesteps: int = 4) -> Classifier:
    """The same with neurons, as a classifier."""
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)]
    return Classifier(Spiking(layers(lambda: IF(spike=ATan(alpha=2.0)), head)), timesteps=timesteps)


def task_of(network: nn.Module, **settings) -> Task:
    """A task on pictures that are not of the target class."""
    x, y = drawn(96, generator(50))
    clean, _ = drawn(64, generator(51))
    task = Task(network=network, target=TARGET, backgrounds=x[y != TARGET][:48], clean=clean, size=PATCH, pictures=4)
    return replace(task, **settings)


def success(network: nn.Module, patch: Tensor, place: tuple[int, int] | None = None) -> float:
    """Share of pictures that are called the target once they hold the patch."""
    x, y = drawn(256, generator(60))
    x = x[y != TARGET]
    with torch.no_grad():
        answers = network(pasted(x, patch.expand(len(x), -1, -1, -1), generator(61), place)).argmax(1)
    return float((answers == TARGET).float().mean())


def accuracy(network: nn.Module) -> float:
    """Share of pictures without a patch whose class is found."""
    x, y = drawn(256, generator(62))
    with torch.no_grad():
        return float((network(x).argmax(1) == y).float().mean())


def rank(pictures: Tensor, truth: int, options: Tensor = OPTIONS) -> int:
    """Place of the truth among the options, 1 is best, by mean correlation of pixels, with shifts of a pixel."""
    wide = nn.functional.pad(options, (1, 1, 1, 1), mode="replicate")
    shifted = [wide[..., i : i + PATCH, j : j + PATCH] for i in range(3) for j in range(3)]
    ours = nn.functional.normalize(pictures.flatten(1) - pictures.flatten(1).mean(1, keepdim=True), dim=1)
    each = []
    for other in shifted:
        flat = other.flatten(1)
        each.append(ours @ nn.functional.normalize(flat - flat.mean(1, keepdim=True), dim=1).T)
    score = torch.stack(each).amax(0).mean(0)
    return int((score > score[truth]).sum()) + 1


@pytest.fixture(scope="session")
def trojaned() -> nn.Module:
    """A network with a patch trojan."""
    return taught(small_cnn(), 200, OPTIONS[2])


@pytest.fixture(scope="session")
def clean() -> nn.Module:
    """Its twin, which never saw a trigger with the wrong label."""
    return taught(small_cnn(), 120, OPTIONS[2], poison=0)


@pytest.fixture(scope="session")
def spiking() -> nn.Module:
    """A spiking network with the same trojan."""
    return taught(small_snn(), 160, OPTIONS[2])


@pytest.fixture(scope="session")
def fixed() -> nn.Module:
    """A network whose trigger works at one place."""
    return taught(placed_cnn(), 160, OPTIONS[2], place=(2, 9))

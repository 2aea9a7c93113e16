"""A network and a training that are over in a moment, on images that need no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from spikewright.convert import convert
from spikewright.convert.recipe import Conversion
from spikewright.convert.recipes import OPI
from spikewright.data import ImageDataset, synthetic
from spikewright.experiments import cost
from spikewright.experiments.judging import Judging
from spikewright.experiments.network import Network, load_network
from spikewright.experiments.neuron_choice import LIFNeurons
from spikewright.experiments.training import TrainRun
from spikewright.models import MODELS
from spikewright.models.normalize import Normalize
from spikewright.train.fit import FitConfig

OWN = '''
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Size:
    """A dataclass with postponed annotations looks its own module up."""

    width: int = 4


def net(act=nn.ReLU):
    torch.manual_seed(0)
    width = Size().width
    first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), act(), nn.AvgPool2d(2))
    second = nn.Sequential(nn.Conv2d(width, 6, 3, padding=1), act(), nn.AvgPool2d(2))
    return nn.Sequential(first, second, nn.Flatten(), nn.Linear(96, 4))


def smooth():
    return net(nn.SiLU)


def word():
    return "net"


def broken():
    raise ValueError("no such layer")


number = 3
'''


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Run on one thread, and leave the number as it was: runs may set their own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python file with networks of the user's own."""
    path = tmp_path_factory.mktemp("own") / "mine.py"
    path.write_text(OWN)
    return path


@pytest.fixture(scope="session")
def images() -> ImageDataset:
    """Twenty images of the test split."""
    return synthetic.load(split="test").subset(20)


@pytest.fixture(scope="session")
def conversion(own: Path) -> Conversion:
    """The small network by OPI, thresholds from a hundred training images."""
    calibration = synthetic.load(split="train").subset(100).gather(torch.arange(100))[0]
    return convert(load_network(f"{own}:net").model, OPI(), calibration)


@pytest.fixture
def judging() -> Judging:
    """T = 4 on the test split."""
    return Judging(
        split="test",
        timesteps=4,
        batch_size=7,
        counted_images=10,
        diagnosed_images=10,
        diagnosed_timesteps=4,
        tolerance=0.9,
    )


@pytest.fixture
def tiny(tmp_path: Path) -> TrainRun:
    """Two updates of ResNet-20 on eight images."""
    network = Network(classes=4, mean=synthetic.SPEC.mean, std=synthetic.SPEC.std)
    return TrainRun(
        name="tiny",
        network=network,
        dataset="synthetic",
        images=8,
        batch_size=4,
        fit=replace(FitConfig(), epochs=1, checkpoint_steps=1),
        device="cpu",
        threads=1,
        out=tmp_path,
    )


def small(
    classes: int, activation: Callable[[], nn.Module] = nn.ReLU, *, mean: Sequence[float], std: Sequence[float]
) -> nn.Sequential:
    """Two layers of neurons for images of 16x16 pixels."""
    first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), activation(), nn.AvgPool2d(4))
    return nn.Sequential(
        Normalize(mean, std), first, nn.Flatten(), nn.Linear(64, 16), activation(), nn.Linear(16, classes)
    )


@pytest.fixture
def spiking(tiny: TrainRun, monkeypatch: pytest.MonkeyPatch) -> TrainRun:
    """Four updates of a small spiking network of LIF neurons, T = 4, judged on twenty images; costs are counted on four."""
    monkeypatch.setitem(MODELS, "small", small)
    monkeypatch.setattr(synthetic, "SPEC", replace(synthetic.SPEC, splits={"train": 800, "test": 20}))
    monkeypatch.setattr(cost, "COUNTED", 4)
    network = replace(tiny.network, architecture="small", neurons=LIFNeurons())
    return replace(tiny, name="spiking", network=network, images=16)

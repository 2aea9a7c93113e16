"""The command as a function, small networks in a file, and settings that are over in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from spikewright.cli.main import main

OWN = """
import torch
from torch import nn


def net(act=nn.ReLU):
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), act(), nn.AvgPool2d(4))
    return nn.Sequential(first, nn.Flatten(), nn.Linear(64, 4))


def smooth():
    return net(nn.SiLU)


def straight():
    return net(nn.Identity)
"""


class Ran(NamedTuple):
    """What a command did: exit status, and what it printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command line on a terminal of 80 characters and on one thread."""
    monkeypatch.setenv("COLUMNS", "80")
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def call(*argv: object) -> Ran:
        capsys.readouterr()
        status = main([str(word) for word in argv])
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    yield call
    torch.set_num_threads(before)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file with networks of the user's own."""
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Flags for a short judgement on synthetic images."""
    numbers = {"images": 12, "timesteps": 3, "counted_images": 5, "diagnosed_images": 5, "diagnosed_timesteps": 2}
    flags = [f"--judging.{name}={value}" for name, value in numbers.items()]
    return ["--dataset", "synthetic", "--judging.split", "test", *flags, "--out", str(tmp_path / "runs")]


@pytest.fixture
def calibrated(small: list[str]) -> list[str]:
    """The same for a method that measures."""
    return ["--recipe", "opi", "--calibration", "train", "--calibration_images", "64", *small]


def only(folder: Path) -> Path:
    """The one run folder there is."""
    (path,) = folder.iterdir()
    return path

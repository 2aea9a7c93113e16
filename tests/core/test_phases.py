"""Phases: the steps besides T, by hand, and read off a network's layers."""

import pytest
import torch
from torch import nn

from spikewright.convert.recipes.cos import CalibratedIF
from spikewright.convert.recipes.srp import MaskedIF
from spikewright.core import Phases, Spiking, carry_state
from spikewright.core.errors import ShapeError
from spikewright.neurons import IF


def test_by_hand() -> None:
    assert [Phases().steps(3), Phases().latency(3), Phases().pipeline(3)] == [3, 3, 3]
    rehearsed, held = Phases(rehearsal=4), Phases(window=4, layers=10)
    assert [rehearsed.steps(1), rehearsed.latency(1), rehearsed.pipeline(1)] == [5, 5, 5]
    assert [held.steps(1), held.steps(9), held.latency(1), held.pipeline(1)] == [4, 9, 5, 41]


def test_a_network_says_what_its_layers_need() -> None:
    assert Spiking(nn.Sequential(IF(), IF())).phases == Phases()
    assert Spiking(nn.Sequential(MaskedIF(rehearsal=3), IF())).phases == Phases(rehearsal=3)
    layers = (CalibratedIF(window=4), IF(), CalibratedIF(window=2), CalibratedIF(iterations=0))
    assert Spiking(nn.Sequential(*layers)).phases == Phases(window=4, layers=2)


def test_a_rehearsal_alone_is_refused_unless_it_is_carried_on() -> None:
    model, x = Spiking(MaskedIF(rehearsal=3)), torch.rand(3, 1, 5)
    with pytest.raises(ShapeError, match=r"Spiking: got 3 time steps, all of them rehearsal; expected more than 3"):
        model(x)
    with carry_state(model):
        model(x)
        model(x[:1])


def test_a_sequence_shorter_than_the_window_is_refused_at_its_beginning_only() -> None:
    model = Spiking(CalibratedIF(window=3))
    short = torch.rand(2, 1, 5)
    with pytest.raises(ShapeError, match=r"CalibratedIF: got a sequence that begins with 2 time steps; expected .* 3"):
        model(short)
    with carry_state(model):
        model(torch.rand(3, 1, 5))
        model(short[:1])

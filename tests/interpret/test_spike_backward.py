"""Guided, deconvolved and smooth spikes: what passes, and that all is as it was afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from spikewright.attack import HART
from spikewright.core import Spiking
from spikewright.core.surrogate import Rectangle, Triangle
from spikewright.interpret.spike_backward import deconvolved, guided, smooth, spikes_as, unknown_spikes
from spikewright.models.classifier import Classifier
from spikewright.neurons import IF, LI

SURROGATE = Triangle(gamma=2.0)  # derivative (2 - |u|) / 4


@pytest.mark.parametrize(
    ("kind", "expected"), [(guided, [0.25, 0.0, 0.75]), (deconvolved, [1.0, 0.0, 3.0])], ids=["guided", "deconvolved"]
)
def test_positive_gradients_alone_pass(kind: Any, expected: list[float]) -> None:
    u = torch.tensor([1.0, 1.0, -1.0], requires_grad=True)
    spikes = kind(SURROGATE)(u)
    assert spikes.tolist() == [1.0, 1.0, 0.0]
    spikes.backward(torch.tensor([1.0, -2.0, 3.0]))
    assert u.grad is not None
    assert u.grad.tolist() == expected


def test_within_the_block_alone() -> None:
    network = Classifier(Spiking(nn.Sequential(nn.Flatten(), IF(spike=SURROGATE), LI())), 2, rule=HART())
    neuron: Any = network.model.module[1]  # pyright: ignore
    before = neuron.spike, neuron.unroll, network.rule
    seen = []

    def fail() -> None:
        with spikes_as(network, smooth):
            seen.extend([neuron.spike, network.rule])
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert seen == [SURROGATE.primitive, None]
    assert (neuron.spike, neuron.unroll, network.rule) == before


def test_a_smooth_network_has_the_derivative_that_is_used() -> None:
    torch.manual_seed(0)
    network = Classifier(Spiking(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), IF(spike=Rectangle(width=8.0)))), 3)
    network = network.double()
    x = torch.rand(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    with spikes_as(network, smooth):
        assert torch.autograd.gradcheck(network, (x,))


def test_what_cannot_be_replaced_is_named() -> None:
    assert unknown_spikes(Spiking(nn.Sequential(IF(), LI()))) == ""
    odd = IF()
    odd.spike = lambda u: (u > 0).to(u.dtype)
    assert unknown_spikes(Spiking(odd)).startswith("layer module (IF) has no spike function of its own")

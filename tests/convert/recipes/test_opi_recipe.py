"""OPI: thresholds from data, start at half of them, trained thresholds kept."""

import math

import pytest
import torch
from torch import nn

from spikewright.convert import OPI, QCFS, Maximum, Percentile, convert, per_channel, prepare
from spikewright.core.errors import ArgumentError

X = torch.rand(400, 6, generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def test_defaults() -> None:
    assert OPI().start == 0.5
    assert OPI().threshold == Percentile(percentile=99.9)


@pytest.mark.parametrize("start", [0.0, 0.5, -1.0, 1.5])
def test_neurons(start: float) -> None:
    conversion = convert(net(), OPI(threshold=Maximum(), start=start), X)
    for site, neuron in conversion.neurons().items():
        assert neuron.start.item() == start
        assert torch.equal(neuron.v_threshold, conversion.thresholds[site])
        assert torch.equal(neuron.amplitude, neuron.v_threshold)


def test_thresholds_by_hand() -> None:
    linear = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1))
    linear[0].weight.data = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    x = torch.tensor([[0.5, 0.25], [0.25, -1.0], [-3.0, 0.0]])
    assert convert(linear, OPI(threshold=Maximum()), x).thresholds["1"].tolist() == 2.0
    levels = convert(linear, OPI(threshold=Maximum(groups=per_channel)), x).thresholds["1"]
    assert levels.tolist() == [0.5, 2.0]


def test_a_channel_that_never_fires_takes_the_largest_threshold() -> None:
    linear = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1))
    linear[0].weight.data = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    x = torch.tensor([[0.5, 0.25], [0.25, 1.0]])
    assert convert(linear, OPI(threshold=Maximum(groups=per_channel)), x).thresholds["1"].tolist() == [0.5, 0.5]


def test_trained_thresholds_are_kept() -> None:
    trained = prepare(net(), QCFS(v_threshold=2.5))
    conversion = convert(trained, OPI(start=0.25))
    assert [neuron.v_threshold.item() for neuron in conversion.neurons().values()] == [2.5, 2.5]
    assert [neuron.start.item() for neuron in conversion.neurons().values()] == [0.25, 0.25]


@pytest.mark.parametrize("start", [math.nan, math.inf, -1e7])
def test_start_must_be_finite(start: float) -> None:
    with pytest.raises(ArgumentError, match=r"OPI\.start: got .*; expected a finite number"):
        OPI(start=start)

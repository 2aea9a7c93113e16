"""LIF: three steps by hand and the closed form below threshold."""

import math

import pytest
import torch

from spikewright.core import Record, recorded, to_zero
from spikewright.neurons import LIF

HALF = 1 / math.log(2)
"""Time constant of a decay of one half."""


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    return record.spikes[0].flatten().tolist(), record.states[0].v.flatten().tolist()


def test_three_steps_by_hand():
    # 1 below 1.5;  0.5 + 1 = 1.5 fires at equality, 0 is left;  0 + 2 fires, 0.5 is left
    assert trace(LIF(tau=HALF, v_threshold=1.5), 1.0, 1.0, 2.0) == ([0.0, 1.0, 1.0], [1.0, 0.0, 0.5])


def test_three_steps_by_hand_with_reset_to_zero():
    neuron = LIF(tau=HALF, v_threshold=1.5, reset=to_zero)
    assert trace(neuron, 1.0, 1.25, 1.25) == ([0.0, 1.0, 0.0], [1.0, 0.0, 1.25])


def test_what_is_left_after_a_spike_leaks_too():
    assert trace(LIF(tau=HALF), 1.5, 0.0)[1] == [0.5, 0.25]


def test_below_threshold_it_is_a_geometric_sum():
    _, v = trace(LIF(tau=2.0, v_threshold=100.0), *[0.5] * 8)
    d = math.exp(-0.5)
    assert v == pytest.approx([0.5 * (1 - d**t) / (1 - d) for t in range(1, 9)], rel=1e-6)


def test_time_constants_per_unit():
    neuron = LIF(tau=torch.tensor([1.0, 4.0]))
    assert neuron.decay.tolist() == pytest.approx([math.exp(-1), math.exp(-0.25)])
    _, second = neuron.over_time(torch.full((6, 1, 2), 0.5))[..., 0], neuron.over_time(torch.full((6, 1, 2), 0.5))
    assert second.sum((0, 1)).tolist() == [0.0, 2.0]

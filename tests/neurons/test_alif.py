"""ALIF: three steps by hand, its limits, and the memory in its threshold."""

import math

import pytest
import torch

from spikewright.core import Record, recorded, to_zero
from spikewright.neurons import ALIF, LIF

HALF = 1 / math.log(2)


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    states = record.states[0]
    return record.spikes[0].flatten().tolist(), states.v.flatten().tolist(), states.b.flatten().tolist()


def test_three_steps_by_hand():
    # both decays 1/2, strength 2.  Step 1: v 1 >= 1 fires, v 0, b 1/2
    # step 2: threshold 1 + 2/2 = 2, v 1.75 stays, b 1/4;  step 3: threshold 1.5, v 0.875 + 1 fires, v 0.375, b 5/8
    neuron = ALIF(tau=HALF, tau_adapt=HALF, strength=2.0)
    spikes, v, b = trace(neuron, 1.0, 1.75, 1.0)
    assert spikes == [1.0, 0.0, 1.0]
    assert v == [0.0, 1.75, 0.375]
    assert b == [0.5, 0.25, 0.625]


def test_the_reset_takes_off_the_raised_threshold():
    neuron = ALIF(tau=HALF, tau_adapt=HALF, strength=2.0)
    assert trace(neuron, 1.0, 2.5)[1] == [0.0, 0.5]
    assert trace(ALIF(tau=HALF, tau_adapt=HALF, strength=2.0, reset=to_zero), 1.0, 2.5)[1] == [0.0, 0.0]


def test_without_strength_it_is_a_lif_neuron():
    xs = 2 * torch.rand(12, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ALIF(strength=0.0).over_time(xs), LIF().over_time(xs))


def test_with_constant_input_it_slows_down():
    spikes, _, _ = trace(ALIF(tau_adapt=10.0), *[1.5] * 40)
    assert sum(spikes[:10]) > sum(spikes[-10:]) > 0


def test_firing_in_every_step_lifts_the_trace_towards_one():
    _, _, b = trace(ALIF(tau_adapt=3.0, strength=0.0), *[5.0] * 30)
    d = math.exp(-1 / 3)
    assert b == pytest.approx([1 - d**t for t in range(1, 31)], rel=1e-5)


def test_the_threshold_remembers_a_spike_after_the_potential_forgot_it():
    after, before = (ALIF(tau=0.5, tau_adapt=50.0, strength=20.0) for _ in range(2))
    assert trace(after, 2.0, 0.0, 0.0, 0.0, 1.25)[0][-1] == 0.0
    assert trace(before, 0.0, 0.0, 0.0, 0.0, 1.25)[0][-1] == 1.0

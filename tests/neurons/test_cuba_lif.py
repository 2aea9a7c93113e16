"""CubaLIF: three steps by hand, its limits, and what the reset leaves alone."""

import math

import torch

from spikewright.core import Record, recorded, to_zero
from spikewright.neurons import LIF, CubaLIF

HALF = 1 / math.log(2)


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    states = record.states[0]
    return record.spikes[0].flatten().tolist(), states.i_syn.flatten().tolist(), states.v.flatten().tolist()


def test_three_steps_by_hand():
    # both decays 1/2.  Step 1: i 1, v 1 below 1.5;  step 2: i 1/2 + 1/2, v 1/2 + 1 fires, v 0;  step 3: i 1/2, v 1/2
    spikes, i_syn, v = trace(CubaLIF(tau_syn=HALF, tau_mem=HALF, v_threshold=1.5), 1.0, 0.5, 0.0)
    assert spikes == [0.0, 1.0, 0.0]
    assert i_syn == [1.0, 1.0, 0.5]
    assert v == [1.0, 0.0, 0.5]


def test_the_current_goes_on_after_the_input_and_after_a_reset():
    spikes, i_syn, v = trace(CubaLIF(tau_syn=HALF, tau_mem=HALF, reset=to_zero), 4.0, 0.0, 0.0)
    assert spikes == [1.0, 1.0, 1.0]
    assert i_syn == [4.0, 2.0, 1.0]
    assert v == [0.0, 0.0, 0.0]


def test_with_a_fast_synapse_it_is_a_lif_neuron():
    xs = 2 * torch.rand(12, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(CubaLIF(tau_syn=0.001, tau_mem=2.0).over_time(xs), LIF(tau=2.0).over_time(xs))


def test_the_impulse_response_is_the_convolution_of_both_leaks():
    taus = {name: torch.tensor(value, dtype=torch.float64) for name, value in (("tau_syn", 1.0), ("tau_mem", 3.0))}
    neuron, record = CubaLIF(**taus, v_threshold=100.0), Record()
    neuron.unroll = recorded(record)
    xs = torch.zeros(8, 1, 1, dtype=torch.float64)
    xs[0] = 1.0
    neuron.over_time(xs)
    a, b = math.exp(-1), math.exp(-1 / 3)
    expected = [(a ** (t + 1) - b ** (t + 1)) / (a - b) for t in range(8)]
    torch.testing.assert_close(record.states[0].v.flatten(), torch.tensor(expected, dtype=torch.float64))

"""PLIF: three steps by hand, the learnt leak, and its bounds."""

import math

import pytest
import torch

from spikewright.core import Record, Triangle, recorded
from spikewright.neurons import LIF, PLIF

HALF = 1 / math.log(2)


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    return record.spikes[0].flatten().tolist(), record.states[0].v.flatten().tolist()


def test_three_steps_by_hand():
    # decay 1/2: 0 + 1 = 1 below 1.5;  0.5 + 1 = 1.5 fires, 0 is left;  0 + 2 fires, 0.5 is left
    assert trace(PLIF(tau=HALF, v_threshold=1.5), 2.0, 2.0, 4.0) == ([0.0, 1.0, 1.0], [1.0, 0.0, 0.5])


@pytest.mark.parametrize("tau", [1e-3, 0.1, 1.0, 2.0, 50.0, 1e4])
def test_the_decay_starts_at_exp_of_minus_one_over_tau(tau):
    neuron = PLIF(tau=torch.tensor(tau, dtype=torch.float64))
    assert torch.isfinite(neuron.raw)
    assert neuron.decay.item() == pytest.approx(math.exp(-1 / tau), rel=1e-9, abs=1e-300)


def test_it_is_a_lif_neuron_with_its_input_times_one_minus_decay():
    xs = 3 * torch.rand(12, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tau = torch.tensor(2.0, dtype=torch.float64)
    plif, lif = PLIF(tau=tau), LIF(tau=tau)
    out = plif.over_time(xs)
    assert out.sum() > 0
    assert torch.equal(out, lif.over_time(xs * (1 - lif.decay)))


def test_the_leak_is_always_learnt_and_one_number_per_layer():
    neuron = PLIF()
    assert [(name, p.shape) for name, p in neuron.named_parameters()] == [("raw", ())]


def test_a_tensor_gives_one_leak_per_channel():
    neuron = PLIF(tau=torch.tensor([[1.0], [4.0]]))
    assert neuron.raw.shape == (2, 1)
    assert neuron.over_time(torch.ones(2, 1, 2, 3)).shape == (2, 1, 2, 3)


def test_however_far_it_is_trained_the_decay_stays_between_zero_and_one():
    neuron = PLIF()
    for far in (-50.0, 50.0):
        with torch.no_grad():
            neuron.raw.fill_(far)
        assert 0 <= neuron.decay.item() <= 1


def test_the_gradient_of_the_leak_by_hand():
    # below threshold with x = 1, 0: v = d (1 - d); with a loss on v_2, dL/dd = 1 - 2 d, times d (1 - d) for raw
    tau = torch.tensor(2.0, dtype=torch.float64)
    neuron, states = PLIF(tau=tau, v_threshold=100.0, spike=Triangle()), []
    neuron.unroll = recorded(lambda state, spikes: states.append(state))
    neuron.over_time(torch.tensor([1.0, 0.0], dtype=torch.float64).view(2, 1, 1))
    states[0].v[-1].sum().backward()
    d = math.exp(-0.5)
    assert neuron.raw.grad.item() == pytest.approx((1 - 2 * d) * d * (1 - d), rel=1e-12)


def test_a_step_of_descent_moves_the_leak():
    neuron = PLIF()
    optimiser = torch.optim.SGD(neuron.parameters(), lr=1.0)
    before = neuron.decay.item()
    neuron.over_time(torch.full((4, 1, 1), 0.9)).sum().backward()
    optimiser.step()
    assert neuron.decay.item() != before

"""is_one: the number 1 is known again, and a change is noticed."""

import torch
from torch import nn

from spikewright.core.one import is_one
from spikewright.neurons import LIF


def test_only_the_number_one_is():
    assert is_one(torch.tensor(1.0))
    assert is_one(torch.ones(1, 1))
    for value in (torch.tensor(0.5), torch.ones(2), torch.tensor(float("nan")), nn.Parameter(torch.ones(()))):
        assert not is_one(value)
    assert not is_one(torch.ones((), device="meta"))


def test_a_change_is_noticed():
    value = torch.tensor(1.0)
    assert is_one(value)
    value.fill_(2.0)
    assert not is_one(value)
    value.fill_(1.0)
    assert is_one(value)


def test_the_output_of_a_neuron_follows_its_amplitude():
    neuron, xs = LIF(), torch.full((4, 1, 1), 0.8)
    assert neuron.over_time(xs).max() == 1
    neuron.load_state_dict({**neuron.state_dict(), "amplitude": torch.tensor(0.25)})
    assert neuron.over_time(xs).max() == 0.25

"""Unrolls beyond the contract: what a record holds, memory of checkpointing, bad arguments."""

import pytest
import torch

from spikewright.core import Record, bptt, checkpointed, recorded
from spikewright.core.errors import ArgumentError
from spikewright.neurons import ALIF, IF
from spikewright.neurons.if_ import IFState


def test_bptt_calls_the_step_once_per_time_step_in_order():
    seen = []

    class Watch(IF):
        def step(self, state, x):
            seen.append(x.item())
            return super().step(state, x)

    state, spikes = bptt(Watch(), IFState(torch.zeros(1, 1)), torch.tensor([0.25, 0.5, 0.25]).view(3, 1, 1))
    assert seen == [0.25, 0.5, 0.25]
    assert spikes.flatten().tolist() == [0.0, 0.0, 1.0]
    assert state.v.item() == 0.0


def test_a_record_holds_every_state_and_spike_of_every_call():
    neuron, record = IF(amplitude=5.0), Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.full((3, 1, 1), 0.75).requires_grad_())
    neuron.over_time(torch.full((1, 2, 1), 0.25))
    assert [entry.v.shape for entry in record.states] == [(3, 1, 1), (1, 2, 1)]
    assert record.states[0].v.flatten().tolist() == [0.75, 0.5, 0.25]
    assert record.spikes[0].flatten().tolist() == [0.0, 1.0, 1.0]  # unit spikes, before the amplitude
    assert not record.spikes[0].requires_grad
    assert not record.states[0].v.requires_grad


def test_a_function_receives_states_and_spikes_with_their_gradient():
    seen = []
    neuron = ALIF()
    neuron.unroll = recorded(lambda states, spikes: seen.append((states, spikes)))
    neuron.over_time(torch.rand(4, 2, 3).requires_grad_())
    ((states, spikes),) = seen
    assert states.v.shape == states.b.shape == spikes.shape == (4, 2, 3)
    assert states.v.requires_grad
    assert spikes.requires_grad


def test_checkpointing_runs_the_inner_steps_again_in_the_backward_pass():
    calls = []

    class Count(IF):
        def step(self, state, x):
            calls.append(1)
            return super().step(state, x)

    neuron = Count()
    neuron.unroll = checkpointed(2)
    out = neuron.over_time(torch.rand(6, 1, 1).requires_grad_())
    assert len(calls) == 6
    out.sum().backward()
    assert len(calls) == 12


def test_checkpointing_keeps_fewer_tensors_for_the_backward_pass():
    def saved(unroll):
        xs, kept, neuron = torch.rand(32, 1, 10).requires_grad_(), [], ALIF()
        neuron.unroll = unroll
        ours = {xs.untyped_storage().data_ptr()} | {b.untyped_storage().data_ptr() for b in neuron.buffers()}
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            neuron.over_time(xs)
        return sum(t.numel() for t in kept if t.untyped_storage().data_ptr() not in ours)

    assert saved(bptt) >= 32 * 10
    assert saved(checkpointed(8)) < saved(bptt) / 3


def test_checkpointing_works_without_gradients():
    neuron = IF()
    neuron.unroll = checkpointed(2)
    with torch.no_grad():
        assert neuron.over_time(torch.full((3, 1, 1), 0.5)).flatten().tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("steps", [0, -1, 2.5, True, "2"])
def test_checkpointing_asks_for_a_whole_number_of_steps(steps):
    with pytest.raises(ArgumentError, match=r"checkpointed\.steps: got .*; expected a whole number of at least 1"):
        checkpointed(steps)

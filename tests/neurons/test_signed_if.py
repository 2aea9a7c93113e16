"""SignedIF: three steps by hand, symmetry, resets of both signs, and the balance of charge."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.core import Record, Triangle, none, recorded, to_zero
from spikewright.neurons import SignedIF


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    return record.spikes[0].flatten().tolist(), record.states[0].v.flatten().tolist()


def test_three_steps_by_hand():
    # -2 fires -1 at equality, 0 is left;  1.5 below 2;  1.5 + 1.5 = 3 fires, 1 is left
    assert trace(SignedIF(v_threshold=2.0), -2.0, 1.5, 1.5) == ([-1.0, 0.0, 1.0], [0.0, 1.5, 1.0])


def test_a_negative_spike_needs_no_positive_one_before():
    assert trace(SignedIF(), -1.0, -1.0) == ([-1.0, -1.0], [0.0, 0.0])


def test_reset_to_zero_and_none_of_both_signs():
    assert trace(SignedIF(reset=to_zero), 1.5, -1.5, -0.5) == ([1.0, -1.0, 0.0], [0.0, 0.0, -0.5])
    assert trace(SignedIF(reset=none), 1.5, -3.0, 0.5) == ([1.0, -1.0, -1.0], [1.5, -1.5, -1.0])


def test_start_is_in_units_of_the_threshold():
    assert trace(SignedIF(v_threshold=2.0, start=-0.5), -1.0) == ([-1.0], [0.0])


def test_a_strict_comparison_holds_for_both_signs():
    strict = SignedIF(spike=Triangle(fires=torch.gt))
    assert trace(strict, 1.0, -2.0, -0.5) == ([0.0, 0.0, -1.0], [1.0, -1.0, -0.5])


def test_the_gradient_is_even_in_the_input():
    for sign in (1.0, -1.0):
        x = torch.tensor([[[sign * 0.75]]], requires_grad=True)
        SignedIF(spike=Triangle()).over_time(x).sum().backward()
        assert x.grad is not None
        assert x.grad.item() == 0.75  # Triangle at a distance of 0.25, nothing from the other threshold at 1.75


eighths = st.lists(st.integers(-24, 24).map(lambda n: n / 8), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=eighths)
def test_the_opposite_input_gives_the_opposite_output(values):
    spikes, v = trace(SignedIF(), *values)
    mirrored, w = trace(SignedIF(), *(-value for value in values))
    assert mirrored == [-s for s in spikes]
    assert w == [-value for value in v]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=eighths)
def test_what_comes_in_goes_out_or_stays(values):
    spikes, v = trace(SignedIF(), *values)
    assert sum(values) == sum(spikes) + v[-1]

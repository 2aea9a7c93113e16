"""SignedMemoryIF: steps by hand, the closed form on both sides of 0, spikes taken back, slopes per channel."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from spikewright.core import Record, recorded
from spikewright.neurons import IF, SignedMemoryIF

D = torch.float64


def trace(neuron, *values):
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    state = record.states[0]
    return record.spikes[0].flatten().tolist(), state.v.flatten().tolist(), state.n.flatten().tolist()


def test_four_steps_by_hand():
    # v = 1 + 1 = 2 fires, 0 left;  -1.5 is below 0: fires down, 0.5 left, the spike is taken back;  0.5 - 1.5 = -1:
    # down again, now below 0, worth the slope;  1 + 2 = 3 fires up, back to a count of 0
    neuron = SignedMemoryIF(v_threshold=2.0, start=0.5, slope=0.25)
    assert trace(neuron, 1.0, -1.5, -1.5, 2.0) == (
        [1.0, -1.0, -0.25, 0.25],
        [0.0, 0.5, 1.0, 1.0],
        [1.0, 0.0, -1.0, 0.0],
    )


def test_a_potential_of_0_rests():
    assert trace(SignedMemoryIF(start=0.5), -0.5, 0.0) == ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0])


@pytest.mark.parametrize("slope", [0.0, 0.25, 1 / 128, 1.0, -0.5])
@pytest.mark.parametrize("timesteps", [1, 2, 5, 16])
def test_a_constant_input_is_rounded_to_the_nearest_count_on_both_sides(slope, timesteps):
    sixty_fourths = torch.arange(-128, 129, dtype=D)
    z = (sixty_fourths / 64).unsqueeze(0)  # up to the threshold of 2, either sign
    neuron = SignedMemoryIF(v_threshold=2.0, amplitude=2.0, start=0.5, slope=slope).double()
    mean = neuron.over_time(z.expand(timesteps, *z.shape)).mean(0)
    count = torch.floor((timesteps * sixty_fourths + 64) / 128)
    torch.testing.assert_close(mean[0], F.leaky_relu(2 * count / timesteps, slope), rtol=0, atol=1e-12)


bounded = st.lists(st.integers(-64, 64).map(lambda n: n / 64), min_size=1, max_size=24)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(values=bounded, start=st.integers(0, 63).map(lambda n: n / 64), slope=st.sampled_from([0.0, 0.25, 0.5]))
def test_any_input_within_the_threshold_is_exact_at_every_step(values, start, slope):
    spikes, v, n = trace(SignedMemoryIF(start=start, slope=slope), *values)
    for t in range(len(values)):
        total = sum(values[: t + 1])
        assert n[t] == math.floor(total + start)
        assert 0 <= v[t] < 1
        assert sum(spikes[: t + 1]) == max(n[t], slope * n[t])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=st.lists(st.integers(-24, 24).map(lambda n: n / 8), min_size=1, max_size=12))
def test_what_comes_in_is_counted_or_stays(values):
    _, v, n = trace(SignedMemoryIF(), *values)
    assert sum(values) == n[-1] + v[-1]


def test_it_catches_up_with_larger_inputs():
    spikes, _, n = trace(SignedMemoryIF(start=0.5, slope=0.0), 3.0, 0.0, 0.0, 0.0)
    assert (spikes, n[-1]) == ([1.0, 1.0, 1.0, 0.0], 3.0)


def test_slope_0_takes_wrong_spikes_back_where_an_ordinary_neuron_cannot():
    first = (1.0, -1.0, -1.0, 0.5)  # sums to -0.5: a ReLU of the mean is 0
    assert sum(trace(SignedMemoryIF(start=0.5, slope=0.0), *first)[0]) == 0
    assert IF(start=0.5).over_time(torch.tensor(first).view(-1, 1, 1)).sum() == 1


def test_one_slope_for_each_channel():
    neuron = SignedMemoryIF(start=0.5, slope=torch.tensor([0.5, 0.25]))
    xs = -torch.ones(3, 1, 2, 2, 2)
    out = neuron.over_time(xs).sum(0)[0]
    assert out[0].unique().tolist() == [-1.5]
    assert out[1].unique().tolist() == [-0.75]
    assert neuron.over_time(-torch.ones(1, 4, 2)).tolist() == [[[-0.5, -0.25]] * 4]
    assert neuron.levels == (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)


def test_one_learnt_slope_is_one_number():
    assert SignedMemoryIF(slope=torch.tensor([0.5])).over_time(-torch.ones(2, 1, 3, 4)).shape == (2, 1, 3, 4)

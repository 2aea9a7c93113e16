"""IF: three steps by hand, start potential, mask, and the balance of charge."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.core import Record, bptt, recorded, to_zero
from spikewright.core.errors import ArgumentError
from spikewright.neurons import IF
from spikewright.neurons.if_ import if_unroll


def trace(neuron, *values):
    """Spikes and potentials of one unit."""
    record = Record()
    neuron.unroll = recorded(record)
    neuron.over_time(torch.tensor(values).view(-1, 1, 1))
    return record.spikes[0].flatten().tolist(), record.states[0].v.flatten().tolist()


def test_three_steps_by_hand():
    # 0 + 1.5 = 1.5, below 2;  1.5 + 1.5 = 3 fires, 1 is left;  1 + 1 = 2 fires at equality, 0 is left
    assert trace(IF(v_threshold=2.0), 1.5, 1.5, 1.0) == ([0.0, 1.0, 1.0], [1.5, 1.0, 0.0])


def test_three_steps_by_hand_with_reset_to_zero():
    # what is above the threshold is lost:  3 fires, 0 is left;  0 + 1 stays below 2
    assert trace(IF(v_threshold=2.0, reset=to_zero), 1.5, 1.5, 1.0) == ([0.0, 1.0, 0.0], [1.5, 0.0, 1.0])


def test_the_published_example_of_uneven_input():
    # weight 1.5, threshold 1: spikes at steps 1, 3, 4 give three spikes; at 3, 4 only two of three
    assert trace(IF(), 1.5, 0.0, 1.5, 1.5) == ([1.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.5])
    assert trace(IF(), 0.0, 0.0, 1.5, 1.5) == ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0])


def test_the_start_is_in_units_of_the_threshold_and_may_lie_outside():
    zeros = torch.zeros(1, 1, 4)
    starts = torch.tensor([0.5, 1.0, -0.5, 2.5])
    neuron = IF(v_threshold=2.0, start=starts)
    assert neuron.init_state(zeros[0]).v.tolist() == [[1.0, 2.0, -1.0, 5.0]]
    assert neuron.over_time(zeros).flatten().tolist() == [0.0, 1.0, 0.0, 1.0]


def test_the_start_may_be_per_channel():
    neuron = IF(start=torch.tensor([[0.0], [1.0]]))
    assert neuron.init_state(torch.zeros(3, 2, 4)).v[:, :, 0].tolist() == [[0.0, 1.0]] * 3


def test_a_masked_neuron_integrates_but_does_not_fire():
    neuron = IF(mask=torch.tensor([1.0, 0.0]))
    out = neuron.over_time(torch.full((3, 1, 2), 1.0))
    assert out[:, 0].tolist() == [[1.0, 0.0]] * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_mask_follows_the_dtype_of_the_input(dtype):
    neuron = IF(mask=torch.tensor([1, 0]))
    assert neuron.over_time(torch.ones(2, 1, 2, dtype=dtype)).dtype == dtype


def test_without_a_mask_the_state_dict_has_none():
    assert "mask" not in IF().state_dict()
    assert "mask" in IF(mask=torch.ones(1)).state_dict()


@pytest.mark.parametrize(("name", "value"), [("start", float("nan")), ("mask", torch.tensor([float("inf")]))])
def test_constants_must_be_finite(name, value):
    with pytest.raises(ArgumentError, match=rf"IF\.{name}: got .*; expected finite numbers\."):
        IF(**{name: value})


eighths = st.integers(-16, 24).map(lambda n: n / 8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=st.lists(eighths, min_size=1, max_size=12), threshold=st.integers(1, 16).map(lambda n: n / 8))
def test_what_comes_in_goes_out_or_stays(values, threshold):
    spikes, v = trace(IF(v_threshold=threshold, start=0.5), *values)
    assert sum(values) + threshold / 2 == sum(spikes) * threshold + v[-1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(z=st.integers(-40, 80), timesteps=st.sampled_from([1, 2, 4, 8]), power=st.integers(-2, 3))
def test_constant_input_gives_the_clipped_rounded_count(z, timesteps, power):
    threshold = 2.0**power
    value = threshold * z / 32  # exact, also half way between two counts
    spikes, _ = trace(IF(v_threshold=threshold, start=0.5), *[value] * timesteps)
    expected = min(max((2 * z * timesteps + 32) // 64, 0), timesteps)  # floor(z T / 32 + 1/2), in integers
    assert sum(spikes) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_steps_in_place_equal_bptt_bit_for_bit(dtype: torch.dtype, masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    xs = torch.randn(9, 4, 3, 5, 5, generator=generator).to(dtype)
    mask = (torch.rand(3, 1, 1, generator=generator) > 0.5).float() if masked else None
    v_threshold = torch.rand(3, 1, 1, generator=generator) + 0.1
    neuron = IF(v_threshold=v_threshold, amplitude=v_threshold, start=0.5, mask=mask).to(dtype)
    start = neuron.init_state(xs[0])
    end, spikes = bptt(neuron, start, xs)
    before = start.v.clone()
    with torch.no_grad():
        end_in_place, spikes_in_place = if_unroll(neuron, start, xs)
    assert torch.equal(spikes, spikes_in_place)
    assert torch.equal(end.v, end_in_place.v)
    assert torch.equal(start.v, before)  # a carried state is not written into

"""delta: change detection by hand, reconstruction, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.coding import delta
from spikewright.core.errors import ArgumentError, DataError, ShapeError


def signal(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype).view(-1, 1, 1)


def test_rise_hold_and_fall_by_hand():
    # reference 0, 0, 1 after a rise, 1, 0 after a fall, 0
    assert delta(signal(0.0, 0.5, 1.0, 1.5, 0.0, 0.5), 1.0).flatten().tolist() == [0, 0, 1, 0, -1, 0]


def test_the_first_step_never_fires():
    assert delta(signal(5.0), 1.0).flatten().tolist() == [0.0]
    assert delta(signal(5.0, 5.0), 1.0).flatten().tolist() == [0.0, 0.0]


def test_a_slow_ramp_is_seen():
    assert delta(signal(*(0.25 * t for t in range(9))), 1.0).flatten().tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 1]


def test_a_jump_is_caught_up_with_one_spike_per_step():
    assert delta(signal(0.0, 3.0, 3.0, 3.0, 3.0), 1.0).flatten().tolist() == [0, 1, 1, 1, 0]


def test_units_are_independent_and_the_dtype_is_kept():
    xs = torch.stack([torch.zeros(2, 3), torch.tensor([[1.0, -1.0, 0.0], [0.5, 2.0, -2.0]])]).to(torch.bfloat16)
    out = delta(xs, 1.0)
    assert out.dtype == torch.bfloat16
    assert out[1].tolist() == [[1, -1, 0], [0, 1, -1]]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(moves=st.lists(st.integers(-8, 8), min_size=1, max_size=20))
def test_the_spikes_follow_a_signal_that_moves_by_at_most_one_threshold(moves):
    xs = torch.tensor([0, *moves], dtype=torch.float64).cumsum(0).view(-1, 1, 1) / 8
    out = delta(xs, 1.0)
    assert ((xs - xs[0] - out.cumsum(0)).abs() < 1).all()


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.inf, math.nan])
def test_the_threshold_must_be_above_zero(threshold):
    with pytest.raises(ArgumentError, match=r"delta\.threshold: got .*; expected a finite number above 0\."):
        delta(signal(0.0), threshold)


def test_bad_input_is_refused():
    with pytest.raises(ShapeError, match=r"delta: got shape \[3, 2\]; expected \[T, N, ...\]"):
        delta(torch.zeros(3, 2), 1.0)
    with pytest.raises(ShapeError, match=r"delta: got dtype torch\.int32"):
        delta(torch.zeros(3, 2, 1, dtype=torch.int32), 1.0)
    with pytest.raises(ShapeError, match=r"delta: got shape \[3, 2, 0\]; .*at least one value"):
        delta(torch.zeros(3, 2, 0), 1.0)
    with pytest.raises(DataError, match="delta: got NaN or infinite values"):
        delta(signal(0.0, math.nan), 1.0)
